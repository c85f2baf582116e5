//! Where an object stands in the binary form of jsonb: keyvalue() tells objects of one document apart by that place.
//!
//! A container is a count of four bytes, four bytes for each item (for each key, then for each value), and their contents one after the
//! other. Containers and numbers begin at a multiple of four.

use crate::data::json::Json;

/// How many bytes behind the beginning of `base` an object within it begins; `None` if it is not there.
pub(super) fn place(base: &Json, object: &Json) -> Option<i64> {
    let mut writer = Writer { at: 0, object, found: None };
    writer.put(base);
    writer.found
}

struct Writer<'w> {
    at: usize,
    object: &'w Json,
    found: Option<i64>,
}

impl Writer<'_> {
    fn align(&mut self) {
        self.at = self.at.next_multiple_of(4);
    }

    fn begin(&mut self, container: &Json, entries: usize) {
        self.align();
        if std::ptr::eq(container, self.object) {
            self.found = Some(self.at as i64);
        }
        self.at += 4 + 4 * entries;
    }

    fn put(&mut self, json: &Json) {
        match json {
            Json::Null | Json::Bool(_) | Json::Written(_) => {}
            Json::String(text) => self.at += text.len(),
            Json::Number(number) => {
                self.align();
                self.at += numeric_bytes(number);
            }
            Json::Array(items) => {
                self.begin(json, items.len());
                items.iter().for_each(|item| self.put(item));
            }
            Json::Object(members) => {
                self.begin(json, 2 * members.len());
                self.at += members.iter().map(|(key, _)| key.len()).sum::<usize>();
                members.iter().for_each(|(_, value)| self.put(value));
            }
        }
    }
}

/// The size of a numeric: a header, short where the number is near to the point, and two bytes for each group of four digits.
fn numeric_bytes(number: &str) -> usize {
    let unsigned = number.trim_start_matches('-');
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let places = || whole.bytes().chain(decimals.bytes()).enumerate().filter(|(_, digit)| *digit != b'0');
    // The group in which a digit stands, counted from the point.
    let group = |place: usize| (whole.len() as i64 - 1 - place as i64).div_euclid(4);
    let (Some((first, _)), Some((last, _))) = (places().next(), places().last()) else { return header(0, decimals.len()) };
    header(group(first), decimals.len()) + 2 * (group(first) - group(last) + 1) as usize
}

fn header(weight: i64, decimals: usize) -> usize {
    if decimals <= 63 && (-64..=63).contains(&weight) { 6 } else { 8 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::json::parse;

    /// Recorded from PostgreSQL 15.
    #[test]
    fn objects_stand_where_jsonb_has_them() {
        let base = parse(r#"{"a":{"b":1,"c":"xyz"},"d":[1,2.5,{"x":1}],"e":12345.678}"#).unwrap();
        let Json::Object(members) = &base else { panic!("an object") };
        let Json::Array(items) = &members[1].1 else { panic!("an array") };
        assert_eq!(place(&base, &base), Some(0));
        assert_eq!(place(&base, &members[0].1), Some(32));
        assert_eq!(place(&base, &items[2]), Some(104));
        assert_eq!(place(&base, &Json::Null), None);
    }
}
