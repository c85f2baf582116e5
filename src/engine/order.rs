//! The order of relations that read one another.

use std::collections::BTreeSet;

use crate::catalog::RelationId;

/// These relations and all below them, as `below` tells those that one reads directly: each once, behind all that it reads. Ids do not tell that
/// order, since a relation that ALTER TABLE writes anew gets another one.
pub fn below_first(ids: impl IntoIterator<Item = RelationId>, below: impl Fn(RelationId) -> Vec<RelationId>) -> Vec<RelationId> {
    let (mut seen, mut ordered) = (BTreeSet::new(), Vec::new());
    // Each with whether all below it have been put in order.
    let mut open: Vec<(RelationId, bool)> = ids.into_iter().map(|id| (id, false)).collect();
    while let Some((id, is_next)) = open.pop() {
        if is_next {
            ordered.push(id);
        } else if seen.insert(id) {
            open.push((id, true));
            open.extend(below(id).into_iter().map(|id| (id, false)));
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_comes_before_its_readers() {
        // 2 reads 9 and 5, which reads 9 too, and 3 reads 2.
        let below = |id| match id {
            2 => vec![9, 5],
            3 => vec![2],
            5 => vec![9],
            _ => vec![],
        };
        assert_eq!(below_first([3], below), [9, 5, 2, 3]);
        let all = below_first([2, 3, 5, 9], below);
        assert_eq!(all.len(), 4);
        assert!(all.windows(2).all(|pair| !below(pair[0]).contains(&pair[1])));
    }
}
