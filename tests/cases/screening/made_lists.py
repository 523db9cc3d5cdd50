"""Lists of invented parties in the forms in which lists are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

VECTORS: Final = Path(__file__).resolve().parents[2] / "vectors" / "lists"

SDN: Final = (
    '9001,"KARIMOV, Muhammad Yusuf","individual","FICTION-1] [FICTION-2",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,'
    "\"DOB 28 Jul 1963; a.k.a. 'THE BAKER'.\"\r\n"
    '9002,"VOLKOVA, Aleksandra Ivanovna","individual","FICTION-1",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
    '9003,"NORTHWIND HOLDINGS LTD.",-0- ,"FICTION-1",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
    '9004,"SEA LANTERN","vessel","FICTION-1",-0- ,"A1","Tanker","1","2","Panama","x",-0- \r\n\x1a'
)
ALT: Final = '9001,1,"aka","KARIMOFF, Mohammed",-0- \r\n'
ADD: Final = '9001,1,"1 Main Street","Tashkent","Uzbekistan",-0- \r\n'
COMMENTS: Final = '9003,"formed 2011"\r\n'

ADVANCED: Final = """<?xml version="1.0" encoding="utf-8"?>
<Sanctions xmlns="https://www.un.org/sanctions/1.0" Version="1">
 <DateOfIssue CalendarTypeID="1"><Year>2026</Year><Month>11</Month><Day>5</Day></DateOfIssue>
 <ReferenceValueSets>
  <FeatureTypeValues><FeatureType ID="8">Birthdate</FeatureType></FeatureTypeValues>
  <NamePartTypeValues><NamePartType ID="1520">Last Name</NamePartType><NamePartType ID="1521">First Name</NamePartType>
   <NamePartType ID="1525">Entity Name</NamePartType></NamePartTypeValues>
  <PartySubTypeValues><PartySubType ID="3" PartyTypeID="2">Unknown</PartySubType>
   <PartySubType ID="4" PartyTypeID="1">Unknown</PartySubType>
   <PartySubType ID="1" PartyTypeID="4">Vessel</PartySubType></PartySubTypeValues>
  <PartyTypeValues><PartyType ID="1">Individual</PartyType><PartyType ID="2">Entity</PartyType>
   <PartyType ID="4">Transport</PartyType></PartyTypeValues>
 </ReferenceValueSets>
 <DistinctParties>
  <DistinctParty FixedRef="9001"><Comment/><Profile ID="9001" PartySubTypeID="4">
   <Identity ID="1" FixedRef="9001" Primary="true" False="false">
    <Alias FixedRef="9001" AliasTypeID="1400" Primary="false" LowQuality="true">
     <DocumentedName ID="11" FixedRef="9001" DocNameStatusID="2"><DocumentedNamePart>
      <NamePartValue NamePartGroupID="71" ScriptID="215">THE BAKER</NamePartValue></DocumentedNamePart></DocumentedName>
    </Alias>
    <Alias FixedRef="9001" AliasTypeID="1403" Primary="true" LowQuality="false">
     <DocumentedName ID="12" FixedRef="9001" DocNameStatusID="1">
      <DocumentedNamePart>
       <NamePartValue NamePartGroupID="72" ScriptID="215">KARIMOV</NamePartValue></DocumentedNamePart>
      <DocumentedNamePart>
       <NamePartValue NamePartGroupID="73" ScriptID="215">Muhammad</NamePartValue></DocumentedNamePart>
     </DocumentedName>
     <DocumentedName ID="13" FixedRef="9001" DocNameStatusID="2">
      <DocumentedNamePart>
       <NamePartValue NamePartGroupID="72" ScriptID="220">Каримов</NamePartValue></DocumentedNamePart>
     </DocumentedName>
    </Alias>
    <NamePartGroups><MasterNamePartGroup><NamePartGroup ID="72" NamePartTypeID="1520"/></MasterNamePartGroup>
     <MasterNamePartGroup><NamePartGroup ID="73" NamePartTypeID="1521"/></MasterNamePartGroup></NamePartGroups>
   </Identity>
   <Feature ID="5" FeatureTypeID="8"><FeatureVersion ID="6"><DatePeriod><Start>
    <From><Year>1963</Year><Month>7</Month><Day>28</Day></From><To><Year>1963</Year><Month>7</Month><Day>28</Day></To>
    </Start></DatePeriod></FeatureVersion></Feature>
  </Profile></DistinctParty>
  <DistinctParty FixedRef="9003"><Profile ID="9003" PartySubTypeID="3"><Identity ID="2" Primary="true" False="false">
   <Alias Primary="true" LowQuality="false"><DocumentedName ID="21"><DocumentedNamePart>
    <NamePartValue NamePartGroupID="74">NORTHWIND HOLDINGS LTD.</NamePartValue></DocumentedNamePart></DocumentedName>
   </Alias>
   <NamePartGroups><MasterNamePartGroup><NamePartGroup ID="74" NamePartTypeID="1525"/></MasterNamePartGroup>
   </NamePartGroups>
  </Identity></Profile></DistinctParty>
 </DistinctParties>
 <SanctionsEntries>
  <SanctionsEntry ID="9001" ProfileID="9001" ListID="1">
   <SanctionsMeasure ID="1" SanctionsTypeID="1"><Comment>FICTION-1</Comment></SanctionsMeasure>
   <SanctionsMeasure ID="2" SanctionsTypeID="1"><Comment>FICTION-2</Comment></SanctionsMeasure></SanctionsEntry>
 </SanctionsEntries>
</Sanctions>
"""

CSL_JSON: Final = json.dumps(
    {
        "total": 2,
        "results": [
            {
                "id": "a1", "name": "KARIMOV, Muhammad", "type": "Individual",
                "source": "Specially Designated Nationals",
                "programs": ["FICTION-1"], "alt_names": ["KARIMOFF, Mohammed"], "dates_of_birth": ["1963-07-28"],
                "nationalities": ["UZ"], "addresses": [{"city": "Tashkent", "country": "UZ"}], "remarks": None,
            },
            {"id": "a2", "name": "NORTHWIND HOLDINGS LTD.", "type": None, "source": "Entity List", "addresses": None},
        ],
    }
)  # fmt: skip

FTM: Final = "".join(
    json.dumps(one) + "\n"
    for one in (
        {"id": "f1", "schema": "Person", "caption": "Muhammad Karimov", "properties": {
            "name": ["Muhammad Karimov", "Мухаммад Каримов"], "weakAlias": ["The Baker"], "birthDate": ["1963-07-28"],
            "nationality": ["uz"], "programId": ["FICTION-1"]}},
        {"id": "f2", "schema": "Company", "properties": {"name": ["Northwind Holdings Ltd."], "country": ["pa"]}},
        {"id": "f3", "schema": "Address", "properties": {"full": ["1 Main Street"]}},
    )
)  # fmt: skip


def written(folder: Path) -> dict[str, Path]:
    """Every form of the list, as files."""
    folder.mkdir(exist_ok=True)
    texts = {
        "sdn.csv": SDN, "alt.csv": ALT, "add.csv": ADD, "sdn_comments.csv": COMMENTS, "sdn_advanced.xml": ADVANCED,
        "consolidated.json": CSL_JSON, "entities.ftm.json": FTM,
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    return {name: folder / name for name in texts}
