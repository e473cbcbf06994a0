//! The pattern of the sparse factor: the elimination order, the fill-in, and where each value has
//! its place.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::linalg::amd;
use faer::sparse::SymbolicSparseColMatRef;

use crate::factor::layout::Layout;
use crate::factor::leading::Leading;

pub(super) const NONE: u32 = u32::MAX;

/// The pattern of the factor by levels: for each level (in elimination order) the later levels in
/// its column.
#[derive(Debug)]
pub struct Pattern {
    /// `order[i]` is the level (by natural row) that is eliminated as number `i`.
    pub(super) order: Vec<u32>,
    below: Vec<Vec<u32>>,
    /// Effects per level, in elimination order.
    pub(super) vsize: Vec<u32>,
}

impl Pattern {
    /// Orders the levels and finds the fill-in; `None` once the factor has more than `limit`
    /// elements.
    pub fn new(leading: &Leading, layout: &Layout, limit: usize) -> Option<Self> {
        let levels = layout.levels_by_row();
        let graph = level_graph(leading, &levels, layout.m, limit)?;
        let order = minimum_degree(&graph);
        let mut rank = vec![0u32; order.len()];
        order
            .iter()
            .enumerate()
            .for_each(|(i, &level)| rank[level as usize] = i as u32);
        let vsize: Vec<u32> = order
            .iter()
            .map(|&level| layout.blocks[levels[level as usize].1 as usize].vsize as u32)
            .collect();
        let below = fill_in(&graph, &order, &rank, &vsize, limit)?;
        Some(Self {
            order,
            below,
            vsize,
        })
    }

    /// Multiplications of one factorisation.
    pub fn flops(&self) -> f64 {
        let height = |i: usize| {
            self.below[i]
                .iter()
                .map(|&j| self.vsize[j as usize])
                .sum::<u32>()
                + self.vsize[i]
        };
        (0..self.order.len())
            .map(|i| f64::from(self.vsize[i]) * f64::from(height(i)).powi(2))
            .sum()
    }
}

// Levels that share a unit, as sorted neighbour lists without the level itself.
fn level_graph(
    leading: &Leading,
    levels: &[(u32, u32)],
    m: usize,
    limit: usize,
) -> Option<Vec<Vec<u32>>> {
    let mut level_of_row = vec![NONE; m];
    levels
        .iter()
        .enumerate()
        .for_each(|(i, &(row, _))| level_of_row[row as usize] = i as u32);
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); levels.len()];
    for unit in 0..leading.n_levels {
        for &row in leading
            .touched(unit)
            .0
            .iter()
            .filter(|&&row| level_of_row[row as usize] != NONE)
        {
            members[level_of_row[row as usize] as usize].push(unit as u32);
        }
    }
    let mut seen = vec![NONE; levels.len()];
    let mut size = 0;
    let mut graph = Vec::with_capacity(levels.len());
    for (i, members) in members.iter().enumerate() {
        let mut neighbours = Vec::new();
        seen[i] = i as u32;
        for &unit in members {
            for &row in leading.touched(unit as usize).0 {
                let level = level_of_row[row as usize];
                if level != NONE && seen[level as usize] != i as u32 {
                    seen[level as usize] = i as u32;
                    neighbours.push(level);
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

fn minimum_degree(graph: &[Vec<u32>]) -> Vec<u32> {
    let n = graph.len();
    let mut ptr = vec![0usize];
    graph
        .iter()
        .for_each(|list| ptr.push(ptr[ptr.len() - 1] + list.len()));
    let index: Vec<usize> = graph.iter().flatten().map(|&i| i as usize).collect();
    let (mut order, mut inverse) = (vec![0usize; n], vec![0usize; n]);
    let pattern = SymbolicSparseColMatRef::new_checked(n, n, &ptr, None, &index);
    let mut memory = MemBuffer::new(amd::order_scratch::<usize>(n, index.len()));
    match amd::order(
        &mut order,
        &mut inverse,
        pattern,
        Default::default(),
        MemStack::new(&mut memory),
    ) {
        Ok(_) => order.iter().map(|&i| i as u32).collect(),
        // Only an index overflow can fail; the natural order is always valid.
        Err(_) => (0..n as u32).collect(),
    }
}

// Column i of the factor: A's later neighbours and what its children in the elimination tree pass
// on.
fn fill_in(
    graph: &[Vec<u32>],
    order: &[u32],
    rank: &[u32],
    vsize: &[u32],
    limit: usize,
) -> Option<Vec<Vec<u32>>> {
    let n = order.len();
    let mut below: Vec<Vec<u32>> = Vec::with_capacity(n);
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); n];
    let mut seen = vec![NONE; n];
    let mut size = 0usize;
    for i in 0..n {
        let mut column = Vec::new();
        let mut visit = |j: u32| {
            if j as usize > i && seen[j as usize] != i as u32 {
                seen[j as usize] = i as u32;
                column.push(j);
            }
        };
        graph[order[i] as usize]
            .iter()
            .for_each(|&level| visit(rank[level as usize]));
        for &child in &children[i] {
            below[child as usize].iter().for_each(|&j| visit(j));
        }
        column.sort_unstable();
        size += column
            .iter()
            .map(|&j| (vsize[j as usize] * vsize[i]) as usize)
            .sum::<usize>();
        if size > limit {
            return None;
        }
        if let Some(&parent) = column.first() {
            children[parent as usize].push(i as u32);
        }
        below.push(column);
    }
    Some(below)
}

/// Place of `row` in an ascending list.
pub(super) fn position(rows: &[u32], row: u32) -> usize {
    rows.partition_point(|&r| r < row)
}

/// From levels to rows: column `j` of a level has the level's own rows from `j` on, then all rows
/// of the levels below.
pub(super) fn expand(pattern: &Pattern, first: &[u32]) -> (Vec<usize>, Vec<u32>) {
    let (mut ptr, mut rows) = (vec![0], Vec::new());
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

/// Position of each pair of touched rows, unit after unit.
pub(super) fn pair_positions(
    leading: &Leading,
    ptr: &[usize],
    rows: &[u32],
) -> (Vec<usize>, Vec<u32>) {
    let (mut pair_ptr, mut pairs) = (vec![0], Vec::new());
    for unit in 0..leading.n_levels {
        let touched = leading.touched(unit).0;
        for (j, &col) in touched.iter().enumerate() {
            let range = ptr[col as usize]..ptr[col as usize + 1];
            let column = &rows[range.clone()];
            let mut from = 0;
            for &row in &touched[j..] {
                from += position(&column[from..], row);
                pairs.push((range.start + from) as u32);
            }
        }
        pair_ptr.push(pairs.len());
    }
    (pair_ptr, pairs)
}
