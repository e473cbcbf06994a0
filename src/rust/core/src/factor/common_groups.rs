//! Whether grouping factors share a coarser factor, as `g:a` and `g:b` share `g`: their levels then
//! fall into groups that have no observation in common, with several levels of both in a group.

use crate::factor::Factor;

/// Whether two terms of a factored model have several levels each in one of several groups of
/// levels that have no observation in common.
///
/// Every observation is one of a level of the leading term, so that the trailing levels coupled
/// with it tell what is connected.
pub(crate) fn have_common_groups(factor: &Factor) -> bool {
    let layout = &factor.layout;
    let mut sets = connected(factor);
    let end = layout.m + layout.n_leading;
    let mut terms = vec![sets.roots(layout.m..end)];
    for block in &layout.blocks {
        let rows = block.first.iter().map(|&row| row as usize);
        terms.push(sets.roots(rows));
    }
    let has_several = terms[0].iter().any(|&root| root != terms[0][0]);
    has_several && share_a_group(&terms, end)
}

// The trailing rows, and after them the levels of the leading term, in sets of connected ones.
fn connected(factor: &Factor) -> Sets {
    let layout = &factor.layout;
    let mut sets = Sets::new(layout.m + layout.n_leading);
    for level in 0..layout.n_leading {
        let (rows, _) = factor.leading.coupled(level);
        for &row in rows {
            sets.join(layout.m + level, row as usize);
        }
    }
    for block in &layout.blocks {
        for first in block.first.iter().map(|&row| row as usize) {
            for row in first + 1..first + block.vsize {
                sets.join(first, row);
            }
        }
    }
    sets
}

// Whether two terms have several levels in one group; the roots of the levels' groups are below
// `size`.
fn share_a_group(terms: &[Vec<usize>], size: usize) -> bool {
    let mut sharing = vec![0; size];
    for roots in terms {
        let mut counts = vec![0; size];
        for &root in roots {
            counts[root] += 1;
            if counts[root] == 2 {
                sharing[root] += 1;
            }
        }
    }
    sharing.iter().any(|&n_terms| n_terms > 1)
}

// Disjoint sets of the indices below a number, each with one of them as its root.
struct Sets {
    parent: Vec<usize>,
}

impl Sets {
    fn new(size: usize) -> Self {
        Self {
            parent: (0..size).collect(),
        }
    }

    // The root of the set of an index; shortens the path to it.
    fn root(&mut self, index: usize) -> usize {
        let mut at = index;
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    fn roots(&mut self, of: impl Iterator<Item = usize>) -> Vec<usize> {
        of.map(|index| self.root(index)).collect()
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a] = b;
    }
}
