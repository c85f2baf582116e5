//! Makes a failing case smaller: leaves out steps, then rows, as long as it fails.

use super::steps::{Step, run};

/// How often a case is run again at most.
const TRIES_MAX: usize = 120;

/// The smallest failing case found, and how it fails.
pub fn shrink(mut steps: Vec<Step>, failure: String) -> (Vec<Step>, String) {
    let mut best = failure;
    let mut tries = 0;
    let mut attempt = |candidate: &[Step]| -> Option<(usize, String)> {
        tries += 1;
        if tries > TRIES_MAX { None } else { run(candidate, None) }
    };
    loop {
        let before = size(&steps);
        let mut width = steps.len() / 2;
        while width > 0 {
            let mut start = 0;
            while start < steps.len() {
                let mut candidate = steps.clone();
                candidate.drain(start..(start + width).min(steps.len()));
                candidate.push(Step::Check);
                match attempt(&candidate) {
                    Some((at, failure)) => {
                        candidate.truncate(at + 1);
                        (steps, best) = (candidate, failure);
                    }
                    None => start += width,
                }
            }
            width /= 2;
        }
        for i in 0..steps.len() {
            for smaller in smaller(&steps[i]) {
                let mut candidate = steps.clone();
                candidate[i] = smaller;
                if let Some((_, failure)) = attempt(&candidate) {
                    (steps, best) = (candidate, failure);
                    break;
                }
            }
        }
        if size(&steps) == before {
            return (steps, best);
        }
    }
}

fn size(steps: &[Step]) -> usize {
    let rows = |s: &Step| match s {
        Step::Insert { rows, .. } => 1 + rows.len(),
        Step::Transaction { steps, .. } => 1 + size(steps),
        _ => 1,
    };
    steps.iter().map(rows).sum()
}

/// The step with less in it.
fn smaller(step: &Step) -> Vec<Step> {
    match step {
        Step::Insert { relation, rows, copy } if rows.len() > 1 => {
            let half = rows.len() / 2;
            let keep = |rows: &[_]| Step::Insert { relation: relation.clone(), rows: rows.to_vec(), copy: *copy };
            let mut candidates = vec![keep(&rows[..half]), keep(&rows[half..])];
            candidates.extend((0..rows.len()).map(|i| {
                let mut fewer = rows.clone();
                fewer.remove(i);
                keep(&fewer)
            }));
            candidates
        }
        Step::Transaction { steps, commit: true } => {
            let without = |i: usize| {
                let mut fewer = steps.clone();
                fewer.remove(i);
                Step::Transaction { steps: fewer, commit: true }
            };
            let mut candidates: Vec<Step> = (0..steps.len()).map(without).collect();
            if let [only] = steps.as_slice() {
                candidates.push(only.clone());
            }
            candidates
        }
        _ => vec![],
    }
}
