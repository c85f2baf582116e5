//! Changes of a text that leave the rest of it as it was written.

/// A text with others in the place of some of its characters: from, to, and the text. Of those that overlap the first one is made. Positions
/// are in characters.
pub fn replaced(sql: &str, mut edits: Vec<(usize, usize, String)>) -> String {
    edits.sort_unstable();
    edits.dedup();
    let (mut text, mut done) = (String::with_capacity(sql.len() + 16 * edits.len()), 0);
    let byte = |character: usize| sql.char_indices().nth(character).map_or(sql.len(), |(i, _)| i);
    for (from, to, new) in edits {
        let (from, to) = (byte(from), byte(to));
        if from < done {
            continue;
        }
        text.push_str(&sql[done..from]);
        text.push_str(&new);
        done = to;
    }
    text.push_str(&sql[done..]);
    text
}
