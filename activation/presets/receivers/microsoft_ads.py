"""Microsoft Advertising: customer match lists."""

from datetime import date

from muster.activation.presets.shape import HASHED, Header, Limits, Page, Preset

_LOOKED_AT = date(2026, 11, 28)

PRESET = Preset(
    receiver="Microsoft Advertising, customer match list",
    about="E-mail addresses, hashed, in a file of one column.",
    headers=(
        Header(
            "Email",
            "an e-mail address",
            ("email_address", "e_mail", "mail"),
            ("trim", "lower", HASHED),
            "usually",
        ),
    ),
    needs=(("Email",),),
    takes_lists=False,
    limits=Limits(rows=4_000_000, columns=1, few_rows=300),
    takes={"compression": ("none",), "csv.delimiter": (",",), "csv.header": (True,)},
    notes=(
        "Choose Hashed file at upload, and Plain text if you send plain addresses (`transform: [trim, lower]`).",
        "Microsoft takes no phone numbers and no CRM ids yet.",
    ),
    uncertain=(
        "The page does not say what to do to an address before it is hashed: muster trims and lowers it.",
        (
            "Microsoft prints two hashes of test@contoso.com. muster computes f25ad364..., which is its SHA-256; "
            "a8e34c39..., on the page of CustomerListUserData, is not."
        ),
    ),
    pages=(
        Page("https://help.ads.microsoft.com/apex/index/3/en/56921", _LOOKED_AT, "2026-06-18"),
        Page("https://learn.microsoft.com/en-us/advertising/bulk-service/customer-list-item", _LOOKED_AT, "2026-08-17"),
        Page(
            "https://learn.microsoft.com/en-us/advertising/campaign-management-service/customerlistuserdata",
            _LOOKED_AT,
            "2024-11-13",
        ),
    ),
    example="""\
  - {source: email, mandatory: true}
""",
)
