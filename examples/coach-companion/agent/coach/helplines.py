"""Where a person in danger finds somebody to talk to, by region.

A region that is not known gets the lines that most people can reach, and a directory of all the others. Lines change:
have them checked before people rely on them.
"""

from __future__ import annotations

DIRECTORY = "https://findahelpline.com lists free lines in every country"
EMERGENCY = "if you are in danger right now, call your local emergency number"

# region -> (emergency number, crisis line, line for eating disorders or "")
LINES = {
    "US": ("911", "call or text 988 (Suicide & Crisis Lifeline)", "ANAD 1-888-375-7767"),
    "CA": ("911", "call or text 988 (Suicide Crisis Helpline)", "NEDIC 1-866-633-4220"),
    "GB": ("999", "call 116 123 (Samaritans), or text SHOUT to 85258", "Beat 0808 801 0677"),
    "IE": ("112", "call 116 123 (Samaritans), or text HELLO to 50808", "Bodywhys 01 210 7906"),
    "AU": ("000", "call 13 11 14 (Lifeline)", "Butterfly 1800 33 4673"),
    "NZ": ("111", "call or text 1737", "EDANZ 0800 2 33269"),
    "DE": ("112", "call 0800 111 0 111 (TelefonSeelsorge)", "BIÖG 0221 892031"),
    "AT": ("112", "call 142 (Telefonseelsorge)", ""),
    "CH": ("112", "call 143 (Die Dargebotene Hand)", ""),
    "FR": ("112", "call 3114", "Anorexie Boulimie Info Ecoute 09 69 325 900"),
    "ES": ("112", "call 024", ""),
    "IT": ("112", "call 02 2327 2327 (Telefono Amico)", "SOS Disturbi Alimentari 800 180 969"),
    "NL": ("112", "call 113 or 0800-0113", ""),
    "PT": ("112", "call 213 544 545 (SOS Voz Amiga)", ""),
    "IN": ("112", "call 14416 (Tele-MANAS)", ""),
    "BR": ("192", "call 188 (CVV)", ""),
    "ZA": ("112", "call 0800 567 567 (SADAG)", ""),
}
EVERYWHERE = (
    "call or text 988 in the USA and Canada, call 116 123 (Samaritans) in the UK and Ireland, "
    "call 13 11 14 (Lifeline) in Australia, 112 anywhere in the EU"
)
EATING_EVERYWHERE = (
    "ANAD 1-888-375-7767 in the USA, Beat 0808 801 0677 in the UK, NEDIC 1-866-633-4220 in Canada, "
    "Butterfly 1800 33 4673 in Australia"
)
ALIASES = {"UK": "GB", "USA": "US", "EN-GB": "GB", "EN-US": "US"}


def region_of(text: str) -> str:
    """The region of a country code or a locale ("gb", "en-GB", "de_AT"); "" where it is none that has lines here."""
    code = text.strip().upper().replace("_", "-")
    code = ALIASES.get(code, code.rsplit("-", 1)[-1])
    return code if code in LINES else ""


def crisis_lines(region: str) -> str:
    """Whom to call now, as the end of a sentence."""
    if not region:
        return f"{EVERYWHERE}; {DIRECTORY}. And {EMERGENCY}"
    emergency, crisis, _ = LINES[region]
    return f"{crisis}; {DIRECTORY}. If you are in danger right now, call {emergency}"


def eating_lines(region: str) -> str:
    """Whom to talk to about eating, as the end of a sentence."""
    lines = LINES[region][2] if region else EATING_EVERYWHERE
    told = f"{lines}; {DIRECTORY}" if lines else DIRECTORY
    return f"{told}. If you feel unsafe, {crisis_lines(region)}"
