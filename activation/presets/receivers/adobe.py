"""Adobe Experience Platform: an audience that was built outside Adobe, imported in Audience Portal."""

from datetime import date

from muster.activation.presets.shape import HASHED, Header, Limits, Others, Page, Preset

PRESET = Preset(
    receiver="Adobe Experience Platform, imported audience",
    about="An audience with attributes; whoever imports the file chooses the column that is the identity.",
    headers=(
        Header(
            "Email_LC_SHA256",
            "a hashed e-mail address: namespace Emails (SHA256, lowercased)",
            (),
            ("trim", "lower", HASHED),
            "always",
        ),
        Header(
            "Phone_SHA256_E164", "a hashed phone number: namespace Phone (SHA256_E.164)", (), ("e164", HASHED), "always"
        ),
        Header("Phone_E164", "a phone number: namespace Phone (E.164)", (), ("e164",)),
    ),
    others=Others(
        r"[^\s-]+",
        "text without spaces and dashes",
        "the identity, or an attribute of this audience alone",
        may_identify=True,
    ),
    identifies=(("Email_LC_SHA256",), ("Phone_SHA256_E164",), ("Phone_E164",)),
    limits=Limits(size=999_999_999, columns=25),
    takes={"compression": ("none",), "csv.header": (True,), "csv.encoding": ("utf-8",)},
    notes=(
        (
            "The names of the hashed columns are muster's: Adobe takes any name, and asks for the namespace when "
            "the file is imported."
        ),
        "Imported audiences expire, after 30 days by default. Do not put consent into the file.",
    ),
    uncertain=(
        (
            "Which column is the identity is chosen at the import; muster takes the profile id, identities, "
            "keys of `deduplicate` and the three headers above for identifiers."
        ),
    ),
    pages=(
        Page(
            "https://experienceleague.adobe.com/en/docs/experience-platform/segmentation/ui/audience-portal",
            date(2026, 11, 22),
        ),
        Page(
            "https://experienceleague.adobe.com/en/docs/experience-platform/identity/features/namespaces",
            date(2026, 11, 22),
        ),
        Page(
            "https://experienceleague.adobe.com/en/docs/experience-platform/segmentation/tutorials/create-external-audience",
            date(2026, 11, 28),
        ),
    ),
    example="""\
  - {source: profile_id, target: crm_id}
  - {source: email, target: Email_LC_SHA256}
  - {source: loyalty.tier, target: loyalty_tier}
""",
)
