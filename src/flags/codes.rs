//! Country codes: the table of the 194 countries with a flag, and the selection of codes on a command line.
//!
//! A [`CountryCode`] is any two letters, `AA` to `ZZ`. Of these 676 codes, 194 are assigned to a country in the table
//! (ISO 3166-1 alpha-2). The others are valid codes as well: requesting one is not a usage error; the server responds with
//! 404.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The twenty most populous countries, in descending order. They are the default selection.
pub const POPULAR: [&str; 20] = [
    "CN", "IN", "US", "ID", "BR", "PK", "NG", "BD", "RU", "JP", "MX", "PH", "VN", "ET", "EG", "DE", "IR", "TR", "CD",
    "FR",
];

/// A two-letter code, `AA` to `ZZ`, that may or may not be assigned to a country.
///
/// ```
/// use glassloop::flags::codes::CountryCode;
///
/// let brazil: CountryCode = "br".parse()?;
/// assert_eq!(brazil.to_string(), "BR");
/// assert_eq!(brazil.lower(), "br");
/// # Ok::<(), glassloop::flags::codes::CodeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountryCode(
    /// Two ASCII letters, each `A` to `Z`.
    [u8; 2],
);

impl CountryCode {
    /// Creates a code from a literal in this crate.
    ///
    /// # Panics
    /// If `letters` is not two upper-case letters. In a `const` context this is a compile error.
    pub(crate) const fn literal(letters: &str) -> Self {
        let &[first, second] = letters.as_bytes() else {
            panic!("a country code has two letters");
        };
        assert!(first.is_ascii_uppercase() && second.is_ascii_uppercase());
        Self([first, second])
    }

    /// Returns the code in upper case, as it is displayed.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a country code is two ASCII letters")
    }

    /// Returns the code in lower case, as in the URL and the file name of a flag.
    pub fn lower(self) -> String {
        self.as_str().to_ascii_lowercase()
    }

    /// Returns the country with this code, or `None` if the code is not assigned.
    ///
    /// ```
    /// use glassloop::flags::codes::CountryCode;
    ///
    /// let country = "BR".parse::<CountryCode>()?.country();
    /// assert_eq!(country.map(|country| country.name), Some("Brazil"));
    /// assert!("XX".parse::<CountryCode>()?.country().is_none());
    /// # Ok::<(), glassloop::flags::codes::CodeError>(())
    /// ```
    pub fn country(self) -> Option<&'static Country> {
        COUNTRIES.binary_search_by_key(&self, |country| country.code).ok().map(|index| &COUNTRIES[index])
    }

    /// Returns the 26 codes that begin with `letter`, which may be of either case; nothing if it is not an ASCII
    /// letter.
    fn block(letter: u8) -> impl Iterator<Item = Self> {
        let first = letter.to_ascii_uppercase();
        (b'A'..=b'Z').filter(move |_| first.is_ascii_uppercase()).map(move |second| Self([first, second]))
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CountryCode({self})")
    }
}

impl FromStr for CountryCode {
    type Err = CodeError;

    /// Parses two letters of either case.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        match text.as_bytes() {
            [first, second] if first.is_ascii_alphabetic() && second.is_ascii_alphabetic() => {
                Ok(Self([first.to_ascii_uppercase(), second.to_ascii_uppercase()]))
            }
            _ => Err(CodeError { argument: text.to_owned() }),
        }
    }
}

/// An argument that is neither a country code nor the first letter of codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeError {
    argument: String,
}

impl CodeError {
    /// Returns the invalid argument.
    pub fn argument(&self) -> &str {
        &self.argument
    }
}

impl fmt::Display for CodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped, because the message goes to a terminal and the argument may contain control characters.
        let argument = self.argument.escape_debug();
        write!(
            formatter,
            "`{argument}` is not a country code; use two letters (BR), or one letter for all codes that begin with it (B)"
        )
    }
}

impl std::error::Error for CodeError {}

/// A country that has a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country {
    /// The ISO 3166-1 alpha-2 code.
    pub code: CountryCode,
    /// The name in English.
    pub name: &'static str,
    /// The top-level domain with its dot. Only the United Kingdom's (`.uk`) differs from the code.
    pub top_level_domain: &'static str,
    /// The code in the US government's Geopolitical Entities and Codes standard, which often differs from ISO's.
    pub gec_code: &'static str,
}

/// Returns the codes that the arguments of a command line select, each of them once.
///
/// * `every` selects all 676 codes, `AA` to `ZZ`.
/// * `all` selects the 194 countries, `AD` to `ZW`.
/// * `codes` selects codes (`BR`) and blocks (`B` for `BA` to `BZ`), of either case and in the order given. With `all`,
///   codes that are not assigned to a country follow the countries.
/// * Without any of these, the [`POPULAR`] twenty are selected, in alphabetical order.
///
/// If `limit` is given, only the first `limit` codes are returned. All of `codes` are validated, even those that
/// `every`, `all` or `limit` make irrelevant.
///
/// # Errors
///
/// Returns the first of `codes` that is neither a code nor a single letter.
///
/// ```
/// use glassloop::flags::codes::select;
///
/// let popular = select(&[], false, false, None)?;
/// assert_eq!((popular.len(), popular[0].as_str(), popular[19].as_str()), (20, "BD", "VN"));
///
/// let block = select(&["b".to_owned()], false, false, Some(3))?;
/// assert_eq!(block.iter().map(|code| code.as_str()).collect::<Vec<_>>(), ["BA", "BB", "BC"]);
/// # Ok::<(), glassloop::flags::codes::CodeError>(())
/// ```
pub fn select(codes: &[String], all: bool, every: bool, limit: Option<usize>) -> Result<Vec<CountryCode>, CodeError> {
    let mut selected = Vec::new();
    if every {
        selected.extend((b'A'..=b'Z').flat_map(CountryCode::block));
    }
    if all {
        selected.extend(COUNTRIES.iter().map(|country| country.code));
    }
    for argument in codes {
        match argument.as_bytes() {
            [letter] if letter.is_ascii_alphabetic() => selected.extend(CountryCode::block(*letter)),
            _ => selected.push(argument.parse()?),
        }
    }
    if selected.is_empty() {
        selected.extend(POPULAR.map(CountryCode::literal));
        selected.sort_unstable();
    }
    let mut seen = BTreeSet::new();
    selected.retain(|code| seen.insert(*code));
    selected.truncate(limit.unwrap_or(usize::MAX));
    Ok(selected)
}

/// Creates a row of [`COUNTRIES`].
const fn country(
    code: &'static str,
    name: &'static str,
    top_level_domain: &'static str,
    gec_code: &'static str,
) -> Country {
    Country { code: CountryCode::literal(code), name, top_level_domain, gec_code }
}

/// All countries that have a flag, sorted by code. The names are those of the CIA World Factbook of 2015.
pub static COUNTRIES: [Country; 194] = [
    country("AD", "Andorra", ".ad", "AN"),
    country("AE", "United Arab Emirates", ".ae", "AE"),
    country("AF", "Afghanistan", ".af", "AF"),
    country("AG", "Antigua and Barbuda", ".ag", "AC"),
    country("AL", "Albania", ".al", "AL"),
    country("AM", "Armenia", ".am", "AM"),
    country("AO", "Angola", ".ao", "AO"),
    country("AR", "Argentina", ".ar", "AR"),
    country("AT", "Austria", ".at", "AU"),
    country("AU", "Australia", ".au", "AS"),
    country("AZ", "Azerbaijan", ".az", "AJ"),
    country("BA", "Bosnia and Herzegovina", ".ba", "BK"),
    country("BB", "Barbados", ".bb", "BB"),
    country("BD", "Bangladesh", ".bd", "BG"),
    country("BE", "Belgium", ".be", "BE"),
    country("BF", "Burkina Faso", ".bf", "UV"),
    country("BG", "Bulgaria", ".bg", "BU"),
    country("BH", "Bahrain", ".bh", "BA"),
    country("BI", "Burundi", ".bi", "BY"),
    country("BJ", "Benin", ".bj", "BN"),
    country("BN", "Brunei Darussalam", ".bn", "BX"),
    country("BO", "Bolivia", ".bo", "BL"),
    country("BR", "Brazil", ".br", "BR"),
    country("BS", "Bahamas", ".bs", "BF"),
    country("BT", "Bhutan", ".bt", "BT"),
    country("BW", "Botswana", ".bw", "BC"),
    country("BY", "Belarus", ".by", "BO"),
    country("BZ", "Belize", ".bz", "BH"),
    country("CA", "Canada", ".ca", "CA"),
    country("CD", "Congo (Kinshasa)", ".cd", "CG"),
    country("CF", "Central African Republic", ".cf", "CT"),
    country("CG", "Congo (Brazzaville)", ".cg", "CF"),
    country("CH", "Switzerland", ".ch", "SZ"),
    country("CI", "Côte d'Ivoire", ".ci", "IV"),
    country("CL", "Chile", ".cl", "CI"),
    country("CM", "Cameroon", ".cm", "CM"),
    country("CN", "China", ".cn", "CH"),
    country("CO", "Colombia", ".co", "CO"),
    country("CR", "Costa Rica", ".cr", "CS"),
    country("CU", "Cuba", ".cu", "CU"),
    country("CV", "Cape Verde", ".cv", "CV"),
    country("CY", "Cyprus", ".cy", "CY"),
    country("CZ", "Czech Republic", ".cz", "EZ"),
    country("DE", "Germany", ".de", "GM"),
    country("DJ", "Djibouti", ".dj", "DJ"),
    country("DK", "Denmark", ".dk", "DA"),
    country("DM", "Dominica", ".dm", "DO"),
    country("DZ", "Algeria", ".dz", "AG"),
    country("EC", "Ecuador", ".ec", "EC"),
    country("EE", "Estonia", ".ee", "EN"),
    country("EG", "Egypt", ".eg", "EG"),
    country("ER", "Eritrea", ".er", "ER"),
    country("ES", "Spain", ".es", "SP"),
    country("ET", "Ethiopia", ".et", "ET"),
    country("FI", "Finland", ".fi", "FI"),
    country("FJ", "Fiji", ".fj", "FJ"),
    country("FM", "Micronesia", ".fm", "FM"),
    country("FR", "France", ".fr", "FR"),
    country("GA", "Gabon", ".ga", "GB"),
    country("GB", "United Kingdom", ".uk", "UK"),
    country("GD", "Grenada", ".gd", "GJ"),
    country("GE", "Georgia", ".ge", "GG"),
    country("GH", "Ghana", ".gh", "GH"),
    country("GM", "Gambia", ".gm", "GA"),
    country("GN", "Guinea", ".gn", "GV"),
    country("GQ", "Equatorial Guinea", ".gq", "EK"),
    country("GR", "Greece", ".gr", "GR"),
    country("GT", "Guatemala", ".gt", "GT"),
    country("GW", "Guinea-Bissau", ".gw", "PU"),
    country("GY", "Guyana", ".gy", "GY"),
    country("HN", "Honduras", ".hn", "HO"),
    country("HR", "Croatia", ".hr", "HR"),
    country("HT", "Haiti", ".ht", "HA"),
    country("HU", "Hungary", ".hu", "HU"),
    country("ID", "Indonesia", ".id", "ID"),
    country("IE", "Ireland", ".ie", "EI"),
    country("IL", "Israel", ".il", "IS"),
    country("IN", "India", ".in", "IN"),
    country("IQ", "Iraq", ".iq", "IZ"),
    country("IR", "Iran", ".ir", "IR"),
    country("IS", "Iceland", ".is", "IC"),
    country("IT", "Italy", ".it", "IT"),
    country("JM", "Jamaica", ".jm", "JM"),
    country("JO", "Jordan", ".jo", "JO"),
    country("JP", "Japan", ".jp", "JA"),
    country("KE", "Kenya", ".ke", "KE"),
    country("KG", "Kyrgyzstan", ".kg", "KG"),
    country("KH", "Cambodia", ".kh", "CB"),
    country("KI", "Kiribati", ".ki", "KR"),
    country("KM", "Comoros", ".km", "CN"),
    country("KN", "Saint Kitts and Nevis", ".kn", "SC"),
    country("KP", "Korea, North", ".kp", "KN"),
    country("KR", "Korea, South", ".kr", "KS"),
    country("KW", "Kuwait", ".kw", "KU"),
    country("KZ", "Kazakhstan", ".kz", "KZ"),
    country("LA", "Laos", ".la", "LA"),
    country("LB", "Lebanon", ".lb", "LE"),
    country("LC", "Saint Lucia", ".lc", "ST"),
    country("LI", "Liechtenstein", ".li", "LS"),
    country("LK", "Sri Lanka", ".lk", "CE"),
    country("LR", "Liberia", ".lr", "LI"),
    country("LS", "Lesotho", ".ls", "LT"),
    country("LT", "Lithuania", ".lt", "LH"),
    country("LU", "Luxembourg", ".lu", "LU"),
    country("LV", "Latvia", ".lv", "LG"),
    country("LY", "Libya", ".ly", "LY"),
    country("MA", "Morocco", ".ma", "MO"),
    country("MC", "Monaco", ".mc", "MN"),
    country("MD", "Moldova", ".md", "MD"),
    country("ME", "Montenegro", ".me", "MJ"),
    country("MG", "Madagascar", ".mg", "MA"),
    country("MH", "Marshall Islands", ".mh", "RM"),
    country("MK", "Macedonia", ".mk", "MK"),
    country("ML", "Mali", ".ml", "ML"),
    country("MM", "Myanmar", ".mm", "BM"),
    country("MN", "Mongolia", ".mn", "MG"),
    country("MR", "Mauritania", ".mr", "MR"),
    country("MT", "Malta", ".mt", "MT"),
    country("MU", "Mauritius", ".mu", "MP"),
    country("MV", "Maldives", ".mv", "MV"),
    country("MW", "Malawi", ".mw", "MI"),
    country("MX", "Mexico", ".mx", "MX"),
    country("MY", "Malaysia", ".my", "MY"),
    country("MZ", "Mozambique", ".mz", "MZ"),
    country("NA", "Namibia", ".na", "WA"),
    country("NE", "Niger", ".ne", "NG"),
    country("NG", "Nigeria", ".ng", "NI"),
    country("NI", "Nicaragua", ".ni", "NU"),
    country("NL", "Netherlands", ".nl", "NL"),
    country("NO", "Norway", ".no", "NO"),
    country("NP", "Nepal", ".np", "NP"),
    country("NR", "Nauru", ".nr", "NR"),
    country("NZ", "New Zealand", ".nz", "NZ"),
    country("OM", "Oman", ".om", "MU"),
    country("PA", "Panama", ".pa", "PM"),
    country("PE", "Peru", ".pe", "PE"),
    country("PG", "Papua New Guinea", ".pg", "PP"),
    country("PH", "Philippines", ".ph", "RP"),
    country("PK", "Pakistan", ".pk", "PK"),
    country("PL", "Poland", ".pl", "PL"),
    country("PT", "Portugal", ".pt", "PO"),
    country("PW", "Palau", ".pw", "PS"),
    country("PY", "Paraguay", ".py", "PA"),
    country("QA", "Qatar", ".qa", "QA"),
    country("RO", "Romania", ".ro", "RO"),
    country("RS", "Serbia", ".rs", "RI"),
    country("RU", "Russian Federation", ".ru", "RS"),
    country("RW", "Rwanda", ".rw", "RW"),
    country("SA", "Saudi Arabia", ".sa", "SA"),
    country("SB", "Solomon Islands", ".sb", "BP"),
    country("SC", "Seychelles", ".sc", "SE"),
    country("SD", "Sudan", ".sd", "SU"),
    country("SE", "Sweden", ".se", "SW"),
    country("SG", "Singapore", ".sg", "SN"),
    country("SI", "Slovenia", ".si", "SI"),
    country("SK", "Slovakia", ".sk", "LO"),
    country("SL", "Sierra Leone", ".sl", "SL"),
    country("SM", "San Marino", ".sm", "SM"),
    country("SN", "Senegal", ".sn", "SG"),
    country("SO", "Somalia", ".so", "SO"),
    country("SR", "Suriname", ".sr", "NS"),
    country("SS", "South Sudan", ".ss", "OD"),
    country("ST", "Sao Tome and Principe", ".st", "TP"),
    country("SV", "El Salvador", ".sv", "ES"),
    country("SY", "Syria", ".sy", "SY"),
    country("SZ", "Swaziland", ".sz", "WZ"),
    country("TD", "Chad", ".td", "CD"),
    country("TG", "Togo", ".tg", "TO"),
    country("TH", "Thailand", ".th", "TH"),
    country("TJ", "Tajikistan", ".tj", "TI"),
    country("TL", "Timor-Leste", ".tl", "TT"),
    country("TM", "Turkmenistan", ".tm", "TX"),
    country("TN", "Tunisia", ".tn", "TS"),
    country("TO", "Tonga", ".to", "TN"),
    country("TR", "Turkey", ".tr", "TU"),
    country("TT", "Trinidad and Tobago", ".tt", "TD"),
    country("TV", "Tuvalu", ".tv", "TV"),
    country("TW", "Taiwan", ".tw", "TW"),
    country("TZ", "Tanzania", ".tz", "TZ"),
    country("UA", "Ukraine", ".ua", "UP"),
    country("UG", "Uganda", ".ug", "UG"),
    country("US", "United States of America", ".us", "US"),
    country("UY", "Uruguay", ".uy", "UY"),
    country("UZ", "Uzbekistan", ".uz", "UZ"),
    country("VA", "Vatican City", ".va", "VT"),
    country("VC", "Grenadines", ".vc", "VC"),
    country("VE", "Venezuela", ".ve", "VE"),
    country("VN", "Vietnam", ".vn", "VM"),
    country("VU", "Vanuatu", ".vu", "NH"),
    country("WS", "Samoa", ".ws", "WS"),
    country("YE", "Yemen", ".ye", "YM"),
    country("ZA", "South Africa", ".za", "SF"),
    country("ZM", "Zambia", ".zm", "ZA"),
    country("ZW", "Zimbabwe", ".zw", "ZI"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(codes: &[&str], all: bool, every: bool, limit: Option<usize>) -> Vec<String> {
        let codes: Vec<String> = codes.iter().map(|&code| code.to_owned()).collect();
        let selection = select(&codes, all, every, limit).expect("valid codes");
        selection.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn countries_are_sorted_by_code_without_duplicates() {
        assert!(COUNTRIES.is_sorted_by(|left, right| left.code < right.code));
    }

    #[test]
    fn every_country_is_found_by_its_code() {
        for country in &COUNTRIES {
            assert_eq!(country.code.country(), Some(country));
        }
    }

    #[test]
    fn an_unassigned_code_has_no_country() {
        assert_eq!(CountryCode::literal("AB").country(), None);
    }

    #[test]
    fn only_the_top_level_domain_of_the_united_kingdom_differs_from_its_code() {
        let differing: Vec<_> = COUNTRIES
            .iter()
            .filter(|country| country.top_level_domain != format!(".{}", country.code.lower()))
            .map(|country| (country.code.as_str(), country.top_level_domain))
            .collect();
        assert_eq!(differing, [("GB", ".uk")]);
    }

    #[test]
    fn the_popular_codes_are_twenty_countries() {
        let countries: BTreeSet<_> = POPULAR.iter().filter_map(|code| code.parse().ok()).collect();
        assert_eq!(countries.iter().filter(|code: &&CountryCode| code.country().is_some()).count(), 20);
    }

    #[test]
    fn a_code_is_parsed_in_any_case() {
        for text in ["BR", "br", "bR"] {
            assert_eq!(text.parse(), Ok(CountryCode::literal("BR")));
        }
    }

    #[test]
    fn anything_but_two_letters_is_rejected() {
        for text in ["", "B", "BRA", "B1", " B", "é", "BR ", "☃"] {
            assert!(text.parse::<CountryCode>().is_err(), "{text:?} was parsed as a code");
        }
    }

    #[test]
    fn the_error_message_lists_what_is_valid() {
        let error = "BRA".parse::<CountryCode>().expect_err("three letters");
        assert_eq!(
            error.to_string(),
            "`BRA` is not a country code; use two letters (BR), or one letter for all codes that begin with it (B)"
        );
    }

    #[test]
    fn the_error_message_escapes_control_characters() {
        let error = "\u{1b}[2J".parse::<CountryCode>().expect_err("an escape sequence");
        assert!(error.to_string().starts_with(r"`\u{1b}[2J`"));
    }

    #[test]
    fn display_honours_the_width() {
        assert_eq!(format!("{:<4}|", CountryCode::literal("BR")), "BR  |");
    }

    #[test]
    fn without_arguments_the_popular_twenty_are_selected_in_order() {
        let mut expected = POPULAR;
        expected.sort_unstable();
        assert_eq!(selected(&[], false, false, None), expected);
    }

    #[test]
    fn all_selects_the_countries() {
        let all = selected(&[], true, false, None);
        assert_eq!((all.len(), all[0].as_str(), all[193].as_str()), (194, "AD", "ZW"));
    }

    #[test]
    fn every_selects_all_codes() {
        let every = selected(&[], false, true, None);
        assert_eq!((every.len(), every[0].as_str(), every[675].as_str()), (676, "AA", "ZZ"));
    }

    #[test]
    fn a_letter_selects_all_codes_that_begin_with_it() {
        let block = selected(&["b"], false, false, None);
        assert_eq!((block.len(), block[0].as_str(), block[25].as_str()), (26, "BA", "BZ"));
    }

    #[test]
    fn codes_are_selected_in_the_order_given() {
        assert_eq!(selected(&["us", "BR", "FR"], false, false, None), ["US", "BR", "FR"]);
    }

    #[test]
    fn a_code_given_twice_is_selected_once() {
        assert_eq!(selected(&["BR", "US", "br"], false, false, None), ["BR", "US"]);
    }

    #[test]
    fn a_code_given_together_with_its_letter_is_selected_once() {
        assert_eq!(selected(&["BR", "B"], false, false, None).len(), 26);
    }

    #[test]
    fn an_unassigned_code_is_added_to_all() {
        let all = selected(&["BR", "XX"], true, false, None);
        assert_eq!((all.len(), all[194].as_str()), (195, "XX"));
    }

    #[test]
    fn the_limit_keeps_the_first_codes() {
        assert_eq!(selected(&["B"], false, false, Some(2)), ["BA", "BB"]);
    }

    #[test]
    fn a_limit_above_the_number_of_codes_has_no_effect() {
        assert_eq!(selected(&["BR"], false, false, Some(9)), ["BR"]);
    }

    #[test]
    fn an_invalid_code_is_an_error_even_with_every() {
        let error = select(&["XYZ".to_owned()], false, true, None).expect_err("three letters");
        assert_eq!(error.argument(), "XYZ");
    }
}
