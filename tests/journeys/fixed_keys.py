"""Keys that are the same each time, for journeys that are not about keys.

Which phrases a sketch keeps is drawn by the home's key, and under one in ten a group is seen in part (limitations).
"""

import base64
import hashlib

from spiritsafe.keys.model import PURPOSES

KEYS = {"SPIRITSAFE_KEY_PROVIDER": "environment"} | {
    f"SPIRITSAFE_KEY_{purpose.upper()}": base64.b64encode(hashlib.sha256(purpose.encode()).digest()).decode()
    for purpose in PURPOSES
}
