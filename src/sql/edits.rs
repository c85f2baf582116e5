//! Changes of a text that leave the rest of it as it was written.

/// A text with others in the place of some of its characters, which do not overlap: from, to, and the text. Positions are in characters.
pub fn replaced(sql: &str, mut edits: Vec<(usize, usize, String)>) -> String {
    edits.sort_unstable();
    edits.dedup();
    let (mut text, mut done) = (String::with_capacity(sql.len() + 16 * edits.len()), 0);
    let byte = |character: usize| sql.char_indices().nth(character).map_or(sql.len(), |(i, _)| i);
    for (from, to, new) in edits {
        text.push_str(&sql[done..byte(from)]);
        text.push_str(&new);
        done = byte(to);
    }
    text.push_str(&sql[done..]);
    text
}
