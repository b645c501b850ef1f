"""Pinterest: customer lists."""

from datetime import date

from muster.activation.presets.shape import HASHED, Header, Limits, Page, Preset

_LOOKED_AT = date(2026, 11, 28)

PRESET = Preset(
    receiver="Pinterest, customer list audience",
    about="E-mail addresses or mobile advertising ids, hashed, in a file of one column.",
    headers=(
        Header(
            "email",
            "an e-mail address",
            ("email_address", "e_mail", "mail"),
            ("trim", "lower", HASHED),
            "usually",
        ),
        Header(
            "maid",
            "a mobile advertising id of Android, in lower case",
            ("aaid", "gaid", "madid"),
            ("trim", "lower", HASHED),
            "usually",
        ),
        Header(
            "idfa",
            "a mobile advertising id of iOS, in upper case",
            (),
            ("trim", "upper", HASHED),
            "usually",
        ),
    ),
    needs=(("email",), ("maid",), ("idfa",)),
    takes_lists=False,
    limits=Limits(columns=1, few_rows=100),
    takes={"compression": ("none",), "csv.delimiter": (",",)},
    notes=(
        "A list is usable with 100 people whom Pinterest knows; a file usually matches fewer than it has.",
        "Pinterest also takes MD5 and SHA-1, and e-mail addresses in plain: write another `transform`.",
    ),
    uncertain=(
        (
            "The pages do not say whether the column has a header: muster writes one, and `csv: {header: false}` "
            "takes it out."
        ),
        "The help page takes advertising ids in plain, the API's description only hashed ones; muster hashes them.",
        "Pinterest publishes no examples of hashes.",
    ),
    pages=(
        Page("https://help.pinterest.com/en/business/article/audience-targeting", _LOOKED_AT),
        Page("https://developers.pinterest.com/docs/api/v5/customer_lists-create/", _LOOKED_AT, "2025-12-11"),
    ),
    example="""\
  - {source: email, mandatory: true}
""",
)
