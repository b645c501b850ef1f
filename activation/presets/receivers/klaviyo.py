"""Klaviyo: profiles by CSV."""

from datetime import date

from muster.activation.presets.shape import Header, Limits, Others, Page, Preset

_LOOKED_AT = date(2026, 11, 28)

PRESET = Preset(
    receiver="Klaviyo, import of profiles",
    about="Profiles to add to a list; an unknown header becomes a custom property.",
    headers=(
        Header("Email", "an e-mail address", ("email_address", "e_mail", "mail"), ("trim",)),
        Header("Phone Number", "a phone number in E.164", ("phone", "phone_number", "mobile"), ("e164",)),
        Header("First Name", "a given name", ("first_name", "firstname", "given_name"), ("trim",)),
        Header("Last Name", "a family name", ("last_name", "lastname", "family_name", "surname"), ("trim",)),
        Header("Address", "street and number", ("street",), ("trim",)),
        Header("Address 2", "more of the address", (), ("trim",)),
        Header("City", "a city", (), ("trim",)),
        Header("Country", "a country, which a phone number without a country code needs", ("country_code",), ("trim",)),
        Header("PhoneNumber", "a phone number in E.164, in files for Klaviyo's SFTP server", (), ("e164",)),
        Header("ExternalID", "your own id of the profile, in files for Klaviyo's SFTP server"),
        Header("List ID", "the id of the list, in files for Klaviyo's SFTP server"),
    ),
    others=Others(r".+", "any text", "a custom property"),
    needs=(("Email",), ("Phone Number",), ("PhoneNumber",), ("ExternalID",)),
    apart=(("Phone Number", "PhoneNumber"),),
    country="Country",
    limits=Limits(size=50_000_000),
    takes={"compression": ("none",), "csv.delimiter": (",",), "csv.header": (True,)},
    notes=(
        "The first column of a list upload has to be Email or Phone Number.",
        "No address and no number may be there twice: use `deduplicate: [email]`.",
        "Lists go out as JSON arrays, which is Klaviyo's form; dates as YYYY-MM-DD.",
        "Klaviyo writes to these people, so nothing is hashed. Map consent only where it was given.",
    ),
    uncertain=(
        (
            "Klaviyo's page on its SFTP server could be read only in part. `PhoneNumber` and `List ID` are in its own "
            "sample program of 2023, `ExternalID` in another vendor's manual; whether the limit of 50 MB counts "
            "there is open."
        ),
        (
            "The page on dates in CSV files shows times as `2014-09-30 13:34:08`; "
            "`transform: date(%Y-%m-%d %H:%M:%S)` writes them so."
        ),
        "Klaviyo publishes no form of its own for regions and postal codes that could be read; they go out as custom.",
    ),
    pages=(
        Page("https://help.klaviyo.com/hc/en-us/articles/115005078967", _LOOKED_AT, "2024-09-26"),
        Page("https://help.klaviyo.com/hc/en-us/articles/115005078807", _LOOKED_AT, "2024-10-03"),
        Page("https://help.klaviyo.com/hc/en-us/articles/8557592023451", _LOOKED_AT, "2024-09-18"),
        Page("https://help.klaviyo.com/hc/en-us/articles/360046055671", _LOOKED_AT, "2024-10-01"),
        Page("https://help.klaviyo.com/hc/en-us/articles/115005253428", _LOOKED_AT),
        Page("https://developers.klaviyo.com/en/docs/sftp_import_tool", _LOOKED_AT, "2026-09-17"),
        Page("https://github.com/klaviyo-labs/s3-triggered-sftp-ingestion", _LOOKED_AT, "2023-08-16"),
    ),
    example="""\
  - {source: email, mandatory: true}
  - {source: person.name.first, target: First Name}
  - phone
  - {source: loyalty.tier, target: Loyalty tier}     # a custom property
""",
)
