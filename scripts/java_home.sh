#!/usr/bin/env bash
# Print the home of a Java that PySpark 4.0 runs on (17, else 21), or say how to install one and exit 5.
# Looks past PATH on purpose: the `java` found there is often another version.
set -euo pipefail

jvm_root=${JVM_ROOT:-/usr/lib/jvm}

major() { # the major version of the Java in a folder, or nothing
  [ -x "$1/bin/java" ] || return 0
  "$1/bin/java" -version 2>&1 | sed -nE '1,3s/.*version "([0-9]+)[."].*/\1/p' | head -n 1
}

on_path=$(command -v java || true)
[ -z "$on_path" ] || on_path=$(dirname "$(dirname "$(readlink -f "$on_path")")")

for wanted in 17 21; do
  for home in "$jvm_root"/java-"$wanted"-openjdk-* "${JAVA_HOME:-}" "$jvm_root"/* "$on_path"; do
    if [ -n "$home" ] && [ "$(major "$home")" = "$wanted" ]; then
      echo "$home"
      exit 0
    fi
  done
done

echo "no Java 17 or 21 found; Spark needs one: apt-get install -y --no-install-recommends openjdk-17-jre-headless" >&2
exit 5
