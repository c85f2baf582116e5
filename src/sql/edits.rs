//! Changes of a text that leave the rest of it as it was written.

/// A text with others in the place of some of its characters: from, to, and the text. Of those that overlap the first one is made. Positions
/// are in characters.
pub fn replaced(sql: &str, mut edits: Vec<(usize, usize, String)>) -> String {
    edits.sort_unstable();
    edits.dedup();
    let (mut text, mut done) = (String::with_capacity(sql.len() + 16 * edits.len()), 0);
    // How many characters have been passed over, and the byte behind them.
    let mut passed = (0, 0);
    let mut byte = |character: usize| {
        let rest = &sql[passed.1..];
        let length = rest.char_indices().nth(character.saturating_sub(passed.0)).map_or(rest.len(), |(i, _)| i);
        passed = (character.max(passed.0), passed.1 + length);
        passed.1
    };
    let mut free = 0;
    for (from, to, new) in edits {
        if from < free {
            continue;
        }
        free = to;
        text.push_str(&sql[done..byte(from)]);
        text.push_str(&new);
        done = byte(to);
    }
    text.push_str(&sql[done..]);
    text
}
