"""Snapchat: customer list audiences."""

from datetime import date

from muster.activation.presets.shape import HASHED, Header, Limits, Page, Preset

_LOOKED_AT = date(2026, 11, 28)

PRESET = Preset(
    receiver="Snapchat, customer list audience",
    about="Hashed identifiers of one kind, in a file of one column.",
    headers=(
        Header(
            "EMAIL_SHA256",
            "an e-mail address, hashed",
            ("email", "email_address", "e_mail", "mail"),
            ("trim", "lower", HASHED),
            "always",
        ),
        Header(
            "PHONE_SHA256",
            "a phone number with its country code and without +, hashed",
            ("phone", "phone_number", "mobile"),
            ("e164", "digits", HASHED),
            "always",
        ),
        Header(
            "MOBILE_AD_ID_SHA256",
            "a mobile advertising id (IDFA or GAID), hashed",
            ("mobile_ad_id", "maid", "madid", "idfa", "gaid", "aaid"),
            ("trim", "lower", HASHED),
            "always",
        ),
    ),
    needs=(("EMAIL_SHA256",), ("PHONE_SHA256",), ("MOBILE_AD_ID_SHA256",)),
    takes_lists=False,
    limits=Limits(columns=1, few_rows=1_000),
    takes={"compression": ("none",)},
    notes=("Identifiers of different kinds need different audiences: one activation for each.",),
    uncertain=(
        (
            "The rules for identifiers are those of Snap's Conversions API, which publishes no examples of hashes; "
            "Snap's page on files for Ads Manager could not be read. The headers are the kinds of identifiers of "
            "Snap's API. Write `csv: {header: false}` if the header line is in the way."
        ),
    ),
    pages=(
        Page("https://developers.snap.com/api/marketing-api/Conversions-API/BestPractices", _LOOKED_AT),
        Page("https://developers.snap.com/api/marketing-api/Ads-API/customer-lists", _LOOKED_AT),
        Page(
            "https://experienceleague.adobe.com/en/docs/experience-platform/destinations/catalog/advertising/snap-inc",
            _LOOKED_AT,
        ),
    ),
    example="""\
  - {source: email, mandatory: true}
""",
)
