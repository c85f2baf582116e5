//! The script, line by line.

use std::path::{Path, PathBuf};

/// A script being read.
pub(in crate::cli) struct Source {
    /// As messages name it.
    pub name: String,
    text: String,
    at: usize,
    /// The line read last, from 1.
    pub line: usize,
}

impl Source {
    /// A script before its first line.
    pub fn new(name: impl Into<String>, text: &str) -> Source {
        Source { name: name.into(), text: text.strip_prefix('\u{feff}').unwrap_or(text).to_string(), at: 0, line: 0 }
    }

    /// The file of that name. Errors: in psql's words.
    pub fn open(path: &Path) -> Result<Source, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {}", path.display(), plain(&e)))?;
        Ok(Source::new(path.display().to_string(), &text))
    }

    /// The next line, without its end.
    pub fn next_line(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let end = rest.find('\n').unwrap_or(rest.len());
        let line = rest[..end].to_string();
        self.at += (end + 1).min(rest.len());
        self.line += 1;
        Some(line)
    }

    /// The lines up to `\.`, which is passed over; to the end of the script if there is none.
    pub fn copy_data(&mut self) -> &str {
        let start = self.at;
        let mut end = start;
        for line in self.text[start..].split_inclusive('\n') {
            self.line += 1;
            self.at += line.len();
            if line.trim_end_matches(['\n', '\r']) == "\\." {
                break;
            }
            end = self.at;
        }
        &self.text[start..end]
    }

    /// A path from the directory that the script is in.
    pub fn beside(&self, path: &str) -> PathBuf {
        Path::new(&self.name).parent().unwrap_or(Path::new("")).join(path)
    }
}

/// What the operating system says, without its number.
pub(super) fn plain(e: &std::io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_string()
}
