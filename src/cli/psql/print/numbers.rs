//! Numbers as people read them: `\pset numericlocale`, in the locale C.

use std::borrow::Cow;

/// Digits of a group.
const GROUP: usize = 3;

/// A number with commas between groups of the digits before its point; what does not look like one stays as it is.
pub(super) fn grouped(number: &str) -> Cow<'_, str> {
    let begin = usize::from(number.starts_with(['-', '+']));
    let digits = number[begin..].bytes().take_while(u8::is_ascii_digit).count();
    if digits <= GROUP || !number.bytes().all(|b| b"0123456789+-.eE".contains(&b)) {
        return Cow::Borrowed(number);
    }
    let mut text = String::with_capacity(number.len() + digits / GROUP);
    for (i, c) in number.char_indices() {
        if (begin + 1..begin + digits).contains(&i) && (begin + digits - i).is_multiple_of(GROUP) {
            text.push(',');
        }
        text.push(c);
    }
    Cow::Owned(text)
}
