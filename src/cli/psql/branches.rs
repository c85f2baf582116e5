//! `\if`, `\elif`, `\else`, `\endif`.

/// One `\if` and where it is.
struct Branch {
    /// Statements are run.
    active: bool,
    /// A part of it was or is run, or what is around it is not.
    taken: bool,
    is_else: bool,
    /// How much of an unfinished statement there was when the part began.
    query: usize,
}

/// All that are open, the innermost last.
#[derive(Default)]
pub(super) struct Branches(Vec<Branch>);

impl Branches {
    /// True if statements are run.
    pub fn is_active(&self) -> bool {
        self.0.last().is_none_or(|b| b.active)
    }

    /// True if one is open.
    pub fn are_open(&self) -> bool {
        !self.0.is_empty()
    }

    /// `\if`.
    pub fn begin(&mut self, condition: bool, query: &str) {
        let around = self.is_active();
        self.0.push(Branch { active: around && condition, taken: !around || condition, is_else: false, query: query.len() });
    }

    /// True if `\elif` has to look at its condition.
    pub fn asks(&self) -> bool {
        self.0.last().is_some_and(|b| !b.taken && !b.is_else)
    }

    /// `\elif` and `\else`: what was collected of a statement in a part that is not run is dropped. Errors: in psql's words.
    pub fn next(&mut self, command: &str, condition: bool, query: &mut String) -> Result<(), String> {
        let Some(branch) = self.0.last_mut() else { return Err(format!("\\{command}: no matching \\if")) };
        if branch.is_else {
            return Err(format!("\\{command}: cannot occur after \\else"));
        }
        leave(branch, query);
        branch.is_else = command == "else";
        branch.active = !branch.taken && condition;
        branch.taken |= branch.active;
        branch.query = query.len();
        Ok(())
    }

    /// `\endif`.
    pub fn end(&mut self, query: &mut String) -> Result<(), String> {
        let branch = self.0.pop().ok_or("\\endif: no matching \\if")?;
        leave(&branch, query);
        Ok(())
    }
}

fn leave(branch: &Branch, query: &mut String) {
    if !branch.active {
        query.truncate(branch.query);
    }
}
