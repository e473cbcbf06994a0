//! Symbolic analysis of the sparse factor: elimination order, fill-in, and positions of the
//! elements.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::linalg::amd;
use faer::sparse::SymbolicSparseColMatRef;

use crate::factor::layout::Layout;
use crate::factor::leading::Leading;

pub(super) const NONE: u32 = u32::MAX;

/// The sparsity pattern of the factor by levels: for each level, in elimination order, the later
/// levels in its column.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// `order[i]` is the level (by original row) that is eliminated as number `i`.
    pub(super) order: Vec<u32>,
    below: Vec<Vec<u32>>,
    /// Number of effects per level, in elimination order.
    pub(super) vsize: Vec<u32>,
}

impl Pattern {
    /// Orders the levels and determines the fill-in; `None` if the factor has more than `limit`
    /// elements.
    pub fn new(
        leading: &Leading,
        layout: &Layout,
        limit: usize,
    ) -> Option<Self> {
        let levels = layout.levels_by_row();
        let graph = level_graph(leading, &levels, layout.m, limit)?;
        let order = minimum_degree(&graph);
        let blocks = order.iter().map(|&level| levels[level as usize].1);
        let vsize: Vec<u32> = blocks
            .map(|block| layout.blocks[block as usize].vsize as u32)
            .collect();
        let below = FillIn::new(&graph, &order, &vsize).columns(limit)?;
        Some(Self {
            order,
            below,
            vsize,
        })
    }

    /// The number of elements of the factor.
    pub(crate) fn elements(&self) -> f64 {
        let mut elements = 0.0;
        for (below, &own) in self.below.iter().zip(&self.vsize) {
            let height = own + size_of(below, &self.vsize);
            elements += f64::from(own) * f64::from(height);
        }
        elements
    }

    /// The number of multiplications of one factorization.
    pub(crate) fn flops(&self) -> f64 {
        let mut flops = 0.0;
        for (below, &own) in self.below.iter().zip(&self.vsize) {
            let height = own + size_of(below, &self.vsize);
            flops += f64::from(own) * f64::from(height).powi(2);
        }
        flops
    }
}

// The number of effects of some levels.
fn size_of(levels: &[u32], vsize: &[u32]) -> u32 {
    levels.iter().map(|&level| vsize[level as usize]).sum()
}

// The graph of trailing levels that share a leading level, as sorted lists of neighbours without
// the level itself.
fn level_graph(
    leading: &Leading,
    levels: &[(u32, u32)],
    m: usize,
    limit: usize,
) -> Option<Vec<Vec<u32>>> {
    let mut level_of_row = vec![NONE; m];
    for (i, &(row, _)) in levels.iter().enumerate() {
        level_of_row[row as usize] = i as u32;
    }
    let coupled = coupled_trailing_levels(leading, &level_of_row);
    let mut seen = vec![NONE; levels.len()];
    let mut size = 0;
    let mut graph = Vec::with_capacity(levels.len());
    for (i, coupled_leading) in coupled_leading_levels(&coupled, levels.len())
        .iter()
        .enumerate()
    {
        let mut neighbours = Vec::new();
        seen[i] = i as u32;
        for &level in coupled_leading {
            for &other in &coupled[level as usize] {
                if seen[other as usize] != i as u32 {
                    seen[other as usize] = i as u32;
                    neighbours.push(other);
                }
            }
        }
        neighbours.sort_unstable();
        size += neighbours.len();
        if size / 2 > limit {
            return None;
        }
        graph.push(neighbours);
    }
    Some(graph)
}

// The trailing levels coupled with each leading level; `level_of_row` gives the level of a first
// row.
fn coupled_trailing_levels(
    leading: &Leading,
    level_of_row: &[u32],
) -> Vec<Vec<u32>> {
    let of_level = |level: usize| {
        let rows = leading.coupled(level).0.iter();
        let levels = rows.map(|&row| level_of_row[row as usize]);
        levels.filter(|&level| level != NONE).collect()
    };
    (0..leading.n_levels).map(of_level).collect()
}

// The leading levels coupled with each trailing level.
fn coupled_leading_levels(
    coupled: &[Vec<u32>],
    n_levels: usize,
) -> Vec<Vec<u32>> {
    let mut coupled_leading = vec![Vec::new(); n_levels];
    for (leading, levels) in coupled.iter().enumerate() {
        for &level in levels {
            coupled_leading[level as usize].push(leading as u32);
        }
    }
    coupled_leading
}

fn minimum_degree(graph: &[Vec<u32>]) -> Vec<u32> {
    let n = graph.len();
    let mut ptr = vec![0usize];
    for list in graph {
        ptr.push(ptr[ptr.len() - 1] + list.len());
    }
    let index: Vec<usize> =
        graph.iter().flatten().map(|&i| i as usize).collect();
    let pattern =
        SymbolicSparseColMatRef::new_checked(n, n, &ptr, None, &index);
    let mut memory =
        MemBuffer::new(amd::order_scratch::<usize>(n, index.len()));
    let stack = MemStack::new(&mut memory);
    let mut order = vec![0usize; n];
    let mut inverse = vec![0usize; n];
    let ordered = amd::order(
        &mut order,
        &mut inverse,
        pattern,
        Default::default(),
        stack,
    );
    match ordered {
        Ok(_) => order.iter().map(|&i| i as u32).collect(),
        // Ordering fails only if an index overflows; the original order is always valid.
        Err(_) => (0..n as u32).collect(),
    }
}

/// Working memory for determining the columns of the factor, in the order of elimination.
struct FillIn<'a> {
    graph: &'a [Vec<u32>],
    order: &'a [u32],
    vsize: &'a [u32],
    /// The position of each level in the elimination order.
    rank: Vec<u32>,
    /// The children of each column in the elimination tree, whose rows it inherits.
    children: Vec<Vec<u32>>,
    /// The last column in which each level was found.
    seen: Vec<u32>,
}

impl<'a> FillIn<'a> {
    fn new(graph: &'a [Vec<u32>], order: &'a [u32], vsize: &'a [u32]) -> Self {
        let n = order.len();
        let mut rank = vec![0; n];
        for (i, &level) in order.iter().enumerate() {
            rank[level as usize] = i as u32;
        }
        Self {
            graph,
            order,
            vsize,
            rank,
            children: vec![Vec::new(); n],
            seen: vec![NONE; n],
        }
    }

    // The later levels in each column of the factor.
    fn columns(mut self, limit: usize) -> Option<Vec<Vec<u32>>> {
        let mut below: Vec<Vec<u32>> = Vec::with_capacity(self.order.len());
        let mut size = 0;
        for i in 0..self.order.len() {
            let column = self.column(i, &below);
            size += (self.vsize[i] * size_of(&column, self.vsize)) as usize;
            if size > limit {
                return None;
            }
            if let Some(&parent) = column.first() {
                self.children[parent as usize].push(i as u32);
            }
            below.push(column);
        }
        Some(below)
    }

    // Column i: the later neighbours in A, and the rows inherited from the children.
    fn column(&mut self, i: usize, below: &[Vec<u32>]) -> Vec<u32> {
        let neighbours = self.graph[self.order[i] as usize].iter();
        let own = neighbours.map(|&level| self.rank[level as usize]);
        let children = self.children[i].iter();
        let passed_on =
            children.flat_map(|&child| below[child as usize].iter().copied());
        let mut column = Vec::new();
        for j in own.chain(passed_on) {
            if j as usize > i && self.seen[j as usize] != i as u32 {
                self.seen[j as usize] = i as u32;
                column.push(j);
            }
        }
        column.sort_unstable();
        column
    }
}

/// The index of `row` in an ascending list.
pub(super) fn position(rows: &[u32], row: u32) -> usize {
    rows.partition_point(|&r| r < row)
}

/// Expands the pattern from levels to rows: column `j` of a level has the level's own rows from `j`
/// on, then all rows of the levels below.
pub(super) fn expand(
    pattern: &Pattern,
    first: &[u32],
) -> (Vec<usize>, Vec<u32>) {
    let mut ptr = vec![0];
    let mut rows = Vec::new();
    for (i, below) in pattern.below.iter().enumerate() {
        for j in 0..pattern.vsize[i] {
            rows.extend(first[i] + j..first[i] + pattern.vsize[i]);
            for &level in below {
                let start = first[level as usize];
                rows.extend(start..start + pattern.vsize[level as usize]);
            }
            ptr.push(rows.len());
        }
    }
    (ptr, rows)
}

/// The position of each pair of coupled rows, leading level after leading level.
pub(super) fn pair_positions(
    leading: &Leading,
    ptr: &[usize],
    rows: &[u32],
) -> (Vec<usize>, Vec<u32>) {
    let mut pair_ptr = vec![0];
    let mut pairs = Vec::new();
    for level in 0..leading.n_levels {
        let coupled = leading.coupled(level).0;
        for (j, &col) in coupled.iter().enumerate() {
            let range = ptr[col as usize]..ptr[col as usize + 1];
            let column = &rows[range.clone()];
            let mut from = 0;
            for &row in &coupled[j..] {
                from += position(&column[from..], row);
                pairs.push((range.start + from) as u32);
            }
        }
        pair_ptr.push(pairs.len());
    }
    (pair_ptr, pairs)
}
