//! Abbreviations of time zones that a text may bear (manual, appendix B.4), of PostgreSQL's default set those that mean one offset everywhere.

/// Each and its seconds east of UTC, in the order of their names.
const ABBREVIATIONS: &[(&str, i32)] = &[
    ("ACDT", 37_800),
    ("ACST", 34_200),
    ("ACWST", 31_500),
    ("ADT", -10_800),
    ("AEDT", 39_600),
    ("AEST", 36_000),
    ("AKDT", -28_800),
    ("AKST", -32_400),
    ("AST", -14_400),
    ("AWST", 28_800),
    ("BST", 3_600),
    ("CDT", -18_000),
    ("CEST", 7_200),
    ("CET", 3_600),
    ("CST", -21_600),
    ("EAT", 10_800),
    ("EDT", -14_400),
    ("EEST", 10_800),
    ("EET", 7_200),
    ("EST", -18_000),
    ("HKT", 28_800),
    ("HST", -36_000),
    ("ICT", 25_200),
    ("IDT", 10_800),
    ("IST", 7_200),
    ("JST", 32_400),
    ("KST", 32_400),
    ("MDT", -21_600),
    ("MEST", 7_200),
    ("MESZ", 7_200),
    ("MET", 3_600),
    ("MEZ", 3_600),
    ("MST", -25_200),
    ("NDT", -9_000),
    ("NPT", 20_700),
    ("NST", -12_600),
    ("NZDT", 46_800),
    ("NZST", 43_200),
    ("PDT", -25_200),
    ("PHT", 28_800),
    ("PKT", 18_000),
    ("PST", -28_800),
    ("SAST", 7_200),
    ("SGT", 28_800),
    ("WAT", 3_600),
    ("WET", 0),
];

/// Seconds east of UTC of an abbreviation, in any spelling of upper and lower case.
pub fn offset(name: &str) -> Option<i32> {
    let upper = name.to_ascii_uppercase();
    ABBREVIATIONS.binary_search_by(|(known, _)| (*known).cmp(upper.as_str())).ok().map(|at| ABBREVIATIONS[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_in_order() {
        assert!(ABBREVIATIONS.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(offset("pst"), Some(-28_800));
        assert_eq!(offset("Europe/Berlin"), None);
    }
}
