//! An estimate of the fill-in of a large system from a condensed graph, whose nodes are groups of
//! linked levels.
//!
//! If many levels each occur with a few others only, a sample has hardly any pairs although the
//! factor may be nearly full. Here linked levels are merged until about a thousand groups remain.
//! Groups of nested levels, or of chains of them, have few neighbours; if levels are linked at
//! random, each group is soon a neighbour of most others, and so are the levels that remain after
//! those with few neighbours have been eliminated.

use crate::factor::layout::Layout;
use crate::factor::trailing::sample::LevelPairs;

/// Target number of groups; there are at most twice as many.
const GROUPS: usize = 500;
/// Least number of links per level for the estimate to be valid: with fewer, eliminating the levels
/// with one or two neighbours may leave few levels.
const LINKS: f64 = 2.0;
/// Share of the elements of a dense triangle from which on the factor of the groups counts as full.
const FULL: f64 = 0.5;
/// Lower bound of that share for the factor of all levels, if the factor of the groups is full.
const FILLED: f64 = 0.02;

const NONE: u32 = u32::MAX;

/// A lower bound of the share of the elements of a dense triangle that the factor has, if the
/// condensed graph shows that it fills in; otherwise zero.
pub(crate) fn filled_share_of_linked(
    data: &impl LevelPairs,
    layout: &Layout,
) -> f64 {
    let mut groups = Groups::of_levels(layout);
    let links = groups.link_all(data, layout);
    let (graph, covered) = groups.graph(data, layout);
    let share = covered / layout.m as f64;
    let has_many = links >= LINKS * groups.n_levels as f64;
    match has_many && graph.filled_share() > FULL {
        true => FILLED * share * share,
        false => 0.0,
    }
}

/// Groups of linked trailing levels (a union-find structure over their first rows).
struct Groups {
    n_levels: usize,
    /// The parent of each level in the union-find forest; a root is its own parent.
    next: Vec<u32>,
    /// Number of effects of each group, at its root.
    effects: Vec<u32>,
    /// Largest number of effects of a group.
    most: u32,
}

impl Groups {
    fn of_levels(layout: &Layout) -> Self {
        let mut effects = vec![0; layout.m];
        for block in &layout.blocks {
            for &row in &block.first {
                effects[row as usize] = block.vsize as u32;
            }
        }
        let levels = layout.blocks.iter().map(|block| block.first.len());
        Self {
            n_levels: levels.sum(),
            next: (0..layout.m as u32).collect(),
            effects,
            most: (2 * layout.m).div_ceil(GROUPS) as u32,
        }
    }

    // The root of a level's group.
    fn find(&mut self, level: u32) -> u32 {
        let mut at = level as usize;
        while self.next[at] as usize != at {
            self.next[at] = self.next[self.next[at] as usize];
            at = self.next[at] as usize;
        }
        at as u32
    }

    // Merges the groups of two levels unless the result would be too large.
    fn link(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        let effects = self.effects[a as usize] + self.effects[b as usize];
        if a != b && effects <= self.most {
            self.next[b as usize] = a;
            self.effects[a as usize] = effects;
        }
    }

    // Merges all linked levels; returns the number of links.
    fn link_all(&mut self, data: &impl LevelPairs, layout: &Layout) -> f64 {
        let mut links = 0.0;
        for_each_link(data, layout, |a, b| {
            links += 1.0;
            self.link(a, b);
        });
        links
    }

    // The groups of at least half the target size: a number for each root, how many there are, and
    // their total number of effects.
    fn large(&self) -> (Vec<u32>, usize, f64) {
        let least = self.most.div_ceil(4);
        let mut number = vec![NONE; self.next.len()];
        let (mut count, mut covered) = (0, 0.0);
        for (row, &effects) in self.effects.iter().enumerate() {
            let ends_here = self.next[row] as usize == row;
            if ends_here && effects >= least {
                number[row] = count as u32;
                count += 1;
                covered += f64::from(effects);
            }
        }
        (number, count, covered)
    }

    // The graph of links between large groups, and their total number of effects.
    fn graph(
        &mut self,
        data: &impl LevelPairs,
        layout: &Layout,
    ) -> (Graph, f64) {
        let (number, count, covered) = self.large();
        let mut graph = Graph::new(count);
        for_each_link(data, layout, |a, b| {
            let a = number[self.find(a) as usize];
            let b = number[self.find(b) as usize];
            if a != b && a != NONE && b != NONE {
                graph.join(a as usize, b as usize);
            }
        });
        (graph, covered)
    }
}

// Calls `visit` with each trailing level and the first one that occurs with the same leading level.
fn for_each_link(
    data: &impl LevelPairs,
    layout: &Layout,
    mut visit: impl FnMut(u32, u32),
) {
    let mut first = vec![NONE; layout.n_leading];
    data.for_each(layout, |level, row| {
        if first[level] == NONE {
            first[level] = row;
        } else if first[level] != row {
            visit(first[level], row);
        }
    });
}

/// An adjacency matrix, with one bit per pair of nodes.
struct Graph {
    n: usize,
    /// Number of 64-bit words per node.
    width: usize,
    bits: Vec<u64>,
}

impl Graph {
    fn new(n: usize) -> Self {
        let width = n.div_ceil(64);
        Self {
            n,
            width,
            bits: vec![0; n * width],
        }
    }

    fn join(&mut self, a: usize, b: usize) {
        self.bits[a * self.width + b / 64] |= 1 << (b % 64);
        self.bits[b * self.width + a / 64] |= 1 << (a % 64);
    }

    // The number of neighbours of a node that have not been eliminated.
    fn degree(&self, node: usize) -> usize {
        let row = &self.bits[node * self.width..(node + 1) * self.width];
        row.iter().map(|word| word.count_ones() as usize).sum()
    }

    // The share of the elements of a dense triangle that the factor has in minimum-degree order.
    fn filled_share(mut self) -> f64 {
        let mut left: Vec<usize> = (0..self.n).collect();
        let mut degrees: Vec<usize> =
            left.iter().map(|&node| self.degree(node)).collect();
        let mut elements = 0;
        while let Some(at) = (0..left.len()).min_by_key(|&at| degrees[left[at]])
        {
            let node = left.swap_remove(at);
            elements += degrees[node];
            if degrees[node] == left.len() {
                elements += left.len() * left.len().saturating_sub(1) / 2;
                break;
            }
            for other in self.eliminate(node) {
                degrees[other] = self.degree(other);
            }
        }
        let pairs = self.n * self.n.saturating_sub(1) / 2;
        elements as f64 / pairs.max(1) as f64
    }

    // Eliminates a node: makes its neighbours, which are returned, neighbours of each other.
    fn eliminate(&mut self, node: usize) -> Vec<usize> {
        let width = self.width;
        let row = self.bits[node * width..(node + 1) * width].to_vec();
        let is_neighbour =
            |other: &usize| row[other / 64] >> (other % 64) & 1 == 1;
        let neighbours: Vec<usize> = (0..self.n).filter(is_neighbour).collect();
        for &other in &neighbours {
            let own = &mut self.bits[other * width..(other + 1) * width];
            own.iter_mut()
                .zip(&row)
                .for_each(|(own, word)| *own |= word);
            own[node / 64] &= !(1 << (node % 64));
            own[other / 64] &= !(1 << (other % 64));
        }
        neighbours
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::trailing::sample::tests::Pairs;

    // The estimate for `q0` leading levels that each occur with some of `m` trailing ones.
    fn share(
        (q0, m): (usize, usize),
        couples: impl Fn(usize) -> Vec<usize>,
    ) -> f64 {
        let layout = Layout::of_shapes(&[(1, q0), (1, m)], 1);
        let of_level = |level: usize| {
            let rows = couples(level).into_iter();
            rows.map(move |row| (level, row as u32))
        };
        filled_share_of_linked(
            &Pairs((0..q0).flat_map(of_level).collect()),
            &layout,
        )
    }

    fn scattered(at: usize) -> usize {
        let at = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let at = (at ^ (at >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (at ^ (at >> 32)) as usize
    }

    #[test]
    fn levels_linked_at_random_fill_in() {
        let sizes = (100_000, 20_000);
        let at_random = |i: usize| {
            vec![scattered(2 * i) % sizes.1, scattered(2 * i + 1) % sizes.1]
        };
        let found = share(sizes, at_random);
        assert!(found > 0.015, "{found}");
    }

    #[test]
    fn nested_levels_chains_grids_and_trees_do_not() {
        let sizes = (100_000, 20_000);
        let nested = share(sizes, |i| vec![i / 5]);
        let chain = share(sizes, |i| {
            (0..3).map(|j| (i / 5 + 2 * j).min(19_999)).collect()
        });
        let grid = share(sizes, |i| {
            let (x, y) = (i / 5 % 200, i / 1000);
            let at = |x: usize, y: usize| y.min(99) * 200 + x.min(199);
            vec![at(x, y), at(x + 1, y), at(x, y + 1)]
        });
        let tree = share(sizes, |i| vec![i / 5, i / 5 / 2]);
        let apart = share(sizes, |i| {
            let village = i / 5000 * 1000;
            vec![
                village + scattered(2 * i) % 1000,
                village + scattered(2 * i + 1) % 1000,
            ]
        });
        assert_eq!([nested, chain, grid, tree, apart], [0.0; 5]);
    }

    #[test]
    fn the_factor_of_a_graph_is_counted() {
        // In a ring of five, eliminating a node joins its two neighbours, until three nodes are
        // left.
        let mut ring = Graph::new(5);
        (0..5).for_each(|node| ring.join(node, (node + 1) % 5));
        assert_eq!(ring.filled_share(), 7.0 / 10.0);
        let mut star = Graph::new(70);
        (1..70).for_each(|node| star.join(0, node));
        assert_eq!(star.filled_share(), 69.0 / (70.0 * 69.0 / 2.0));
        assert_eq!(Graph::new(0).filled_share(), 0.0);
    }
}
