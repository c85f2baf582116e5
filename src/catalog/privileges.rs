//! Privileges: what may be granted on what, and the sets of them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FunctionId, NamespaceId, RelationId, RelationKind, RoleId};

/// A set of privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privileges(u16);

/// Each privilege: itself, its letter in an ACL, its name in SQL.
pub const PRIVILEGES: [(Privileges, char, &str); 12] = [
    (Privileges::INSERT, 'a', "INSERT"),
    (Privileges::SELECT, 'r', "SELECT"),
    (Privileges::UPDATE, 'w', "UPDATE"),
    (Privileges::DELETE, 'd', "DELETE"),
    (Privileges::TRUNCATE, 'D', "TRUNCATE"),
    (Privileges::REFERENCES, 'x', "REFERENCES"),
    (Privileges::TRIGGER, 't', "TRIGGER"),
    (Privileges::EXECUTE, 'X', "EXECUTE"),
    (Privileges::USAGE, 'U', "USAGE"),
    (Privileges::CREATE, 'C', "CREATE"),
    (Privileges::TEMPORARY, 'T', "TEMPORARY"),
    (Privileges::CONNECT, 'c', "CONNECT"),
];

impl Privileges {
    pub const NONE: Privileges = Privileges(0);
    pub const INSERT: Privileges = Privileges(1);
    pub const SELECT: Privileges = Privileges(1 << 1);
    pub const UPDATE: Privileges = Privileges(1 << 2);
    pub const DELETE: Privileges = Privileges(1 << 3);
    pub const TRUNCATE: Privileges = Privileges(1 << 4);
    pub const REFERENCES: Privileges = Privileges(1 << 5);
    pub const TRIGGER: Privileges = Privileges(1 << 6);
    pub const USAGE: Privileges = Privileges(1 << 7);
    pub const CREATE: Privileges = Privileges(1 << 8);
    pub const TEMPORARY: Privileges = Privileges(1 << 9);
    pub const CONNECT: Privileges = Privileges(1 << 10);
    pub const EXECUTE: Privileges = Privileges(1 << 11);

    /// Those that there are on columns too.
    pub const OF_COLUMNS: Privileges = Privileges::SELECT.and(Privileges::INSERT).and(Privileges::UPDATE).and(Privileges::REFERENCES);
    /// Those on relations that let more than read.
    pub const OF_CHANGES: Privileges = Privileges::INSERT
        .and(Privileges::UPDATE)
        .and(Privileges::DELETE)
        .and(Privileges::TRUNCATE)
        .and(Privileges::REFERENCES)
        .and(Privileges::TRIGGER);
    /// All those on relations.
    pub const OF_RELATIONS: Privileges = Privileges::OF_CHANGES.and(Privileges::SELECT);
    /// What a sequence may have granted: USAGE is to take numbers and to ask for the last one, SELECT the latter, UPDATE the former and to
    /// set it.
    pub const ON_SEQUENCE: Privileges = Privileges::SELECT.and(Privileges::UPDATE).and(Privileges::USAGE);

    /// Those in either.
    pub const fn and(self, other: Privileges) -> Privileges {
        Privileges(self.0 | other.0)
    }
    /// Those in both.
    pub fn within(self, other: Privileges) -> Privileges {
        Privileges(self.0 & other.0)
    }
    /// Those that the other lacks.
    pub fn without(self, other: Privileges) -> Privileges {
        Privileges(self.0 & !other.0)
    }
    /// True if all of the other's are among them.
    pub fn has(self, other: Privileges) -> bool {
        other.without(self).is_none()
    }
    /// True if there are none.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
    /// The number of them.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The privilege of that name in SQL, in any case; TEMP is TEMPORARY.
    pub fn named(name: &str) -> Option<Privileges> {
        let name = if name.eq_ignore_ascii_case("temp") { "TEMPORARY" } else { name };
        PRIVILEGES.iter().find(|(_, _, n)| n.eq_ignore_ascii_case(name)).map(|(p, _, _)| *p)
    }

    /// The name of the privilege that has this letter in access control lists.
    pub fn of_letter(letter: char) -> Option<&'static str> {
        PRIVILEGES.iter().find(|(_, l, _)| *l == letter).map(|(_, _, name)| *name)
    }

    /// Each of them: itself and its name.
    pub fn each(self) -> impl Iterator<Item = (Privileges, &'static str)> {
        PRIVILEGES.iter().filter(move |(p, _, _)| self.has(*p)).map(|(p, _, name)| (*p, *name))
    }

    /// What a relation of that kind may have granted: events are immutable, materialized views are not written to, and plain ones only row by row.
    pub fn on_relation(kind: RelationKind) -> Privileges {
        match kind {
            RelationKind::Stream => Privileges::SELECT.and(Privileges::INSERT).and(Privileges::TRIGGER),
            RelationKind::Table | RelationKind::Partition => {
                let whole = Privileges::TRUNCATE.and(Privileges::REFERENCES);
                Privileges::on_relation(RelationKind::View).and(whole)
            }
            RelationKind::View => {
                let change = Privileges::INSERT.and(Privileges::UPDATE).and(Privileges::DELETE);
                Privileges::SELECT.and(change).and(Privileges::TRIGGER)
            }
            RelationKind::MaterializedView => Privileges::SELECT,
        }
    }

    /// What a column of a relation of that kind may have granted.
    pub fn on_column(kind: RelationKind) -> Privileges {
        Privileges::on_relation(kind).within(Privileges::OF_COLUMNS)
    }
}

impl fmt::Display for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.each().map(|(_, name)| name).collect::<Vec<_>>().join(", "))
    }
}

/// What privileges are granted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Object {
    Relation(RelationId),
    Schema(String),
    /// The one database.
    Database,
    /// A column of a relation, by its name.
    Column(RelationId, String),
    Sequence(RelationId),
    /// A function, which everybody may call unless that is taken back.
    Function(FunctionId),
}

impl Object {
    /// What may be granted on it, where for a relation and its columns that depends on the relation's kind.
    pub fn privileges(&self, kind: Option<RelationKind>) -> Privileges {
        match self {
            Object::Relation(_) => kind.map_or(Privileges::NONE, Privileges::on_relation),
            Object::Column(..) => kind.map_or(Privileges::NONE, Privileges::on_column),
            Object::Sequence(_) => Privileges::ON_SEQUENCE,
            Object::Function(_) => Privileges::EXECUTE,
            Object::Schema(_) => Privileges::USAGE.and(Privileges::CREATE),
            Object::Database => Privileges::CREATE.and(Privileges::TEMPORARY).and(Privileges::CONNECT),
        }
    }
}

/// Which objects begin with grants: those that a role creates in a schema, or in whichever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NewObjects {
    pub owner: RoleId,
    pub schema: Option<NamespaceId>,
    /// Sequences, and not relations.
    pub sequences: bool,
}

impl NewObjects {
    /// What they may have granted, the kind of relation that may have most.
    pub fn privileges(&self) -> Privileges {
        if self.sequences { Privileges::ON_SEQUENCE } else { Privileges::on_relation(RelationKind::Table) }
    }
}

/// What one role has granted another on one object: the privileges, and those among them that may be granted on. As text `ar*`: the
/// letters of an ACL, with a star for the grant option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    pub privileges: Privileges,
    pub options: Privileges,
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (privilege, letter, _) in PRIVILEGES.iter().filter(|(p, _, _)| self.privileges.has(*p)) {
            write!(f, "{letter}{}", if self.options.has(*privilege) { "*" } else { "" })?;
        }
        Ok(())
    }
}

impl Granted {
    /// What it is once these privileges are granted too, with the option to grant them on if `option`.
    pub fn with(self, privileges: Privileges, option: bool) -> Granted {
        let options = if option { self.options.and(privileges) } else { self.options };
        Granted { privileges: self.privileges.and(privileges), options }
    }

    /// What is left of it once these privileges, or only the options to grant them on, are taken back.
    pub fn without(self, privileges: Privileges, option_only: bool) -> Granted {
        let kept = if option_only { self.privileges } else { self.privileges.without(privileges) };
        Granted { privileges: kept, options: self.options.without(privileges) }
    }

    /// All that is in one of the two.
    pub fn and(self, other: Granted) -> Granted {
        Granted { privileges: self.privileges.and(other.privileges), options: self.options.and(other.options) }
    }

    /// Reads its text; letters that are unknown are an error.
    pub fn parse(text: &str) -> Option<Granted> {
        let mut granted = Granted::default();
        let mut last = Privileges::NONE;
        for letter in text.chars() {
            if letter == '*' {
                granted.options = granted.options.and(last);
                continue;
            }
            last = PRIVILEGES.iter().find(|(_, l, _)| *l == letter)?.0;
            granted.privileges = granted.privileges.and(last);
        }
        Some(granted)
    }
}

impl Serialize for Granted {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Granted {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Granted::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("unknown privileges: {text}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn granted_privileges_are_letters() {
        let granted = Granted::parse("ar*w").unwrap();
        assert_eq!(granted.privileges.to_string(), "INSERT, SELECT, UPDATE");
        assert_eq!((granted.options, granted.to_string().as_str()), (Privileges::SELECT, "ar*w"));
        assert_eq!(Granted::parse("?"), None);
        assert_eq!(Privileges::named("temp"), Some(Privileges::TEMPORARY));
    }
}
