//! The value of search_path: names apart by commas.

/// The names in it, folded to lower case where they are not quoted. `None` for a text that is no such list.
pub(super) fn names(value: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let name;
        (name, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_name(quoted)?,
            None => {
                let end = rest.find(|c: char| c == ',' || c == '"' || c.is_whitespace()).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                (rest[..end].to_lowercase(), &rest[end..])
            }
        };
        names.push(name);
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(next) if !next.trim().is_empty() => rest = next.trim_start(),
            None if rest.is_empty() => {}
            _ => return None,
        }
    }
    Some(names)
}

/// The name up to the closing quote, and what is behind it.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' if text[i + 1..].starts_with('"') => {
                chars.next();
                name.push('"');
            }
            '"' => return Some((name, &text[i + 1..])),
            c => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_path_is_a_list_of_names() {
        assert_eq!(names("\"$user\", public").unwrap(), ["$user", "public"]);
        assert_eq!(names(" A,\"B\"\"c, d\" ,$user").unwrap(), ["a", "B\"c, d", "$user"]);
        assert_eq!(names("").unwrap(), Vec::<String>::new());
        assert_eq!(names("\"\"").unwrap(), [""]);
        for wrong in ["a,", "a b", "\"a", ",a", "a\"b\""] {
            assert_eq!(names(wrong), None, "{wrong}");
        }
    }
}
