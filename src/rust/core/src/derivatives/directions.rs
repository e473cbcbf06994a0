//! The directions of Omega: the elements of each `Omega_t` that are not always zero.

use crate::covariance::RelCov;

/// The unit directions `E_rs = e_r e_s' + e_s e_r'` (`r > s`) and `E_rr = e_r e_r'` of every term's
/// Omega.
#[derive(Debug, Clone)]
pub(crate) struct Directions {
    /// `(r, s)` with `r >= s`, term after term.
    pairs: Vec<(usize, usize)>,
    /// Index of the first direction of each term, and the total number at the end.
    first: Vec<usize>,
    /// For each term, `k x k`: the index of the direction of each element; `NONE` if it is always
    /// zero.
    index: Vec<Vec<usize>>,
    /// Number k of effects of each term.
    sizes: Vec<usize>,
}

const NONE: usize = usize::MAX;

impl Directions {
    /// The directions of terms with these covariances.
    pub fn new(covs: &[RelCov]) -> Self {
        let mut pairs = Vec::new();
        let mut first = vec![0];
        let mut index = Vec::new();
        for cov in covs {
            let k = cov.vsize();
            let mut at = vec![NONE; k * k];
            cov.for_each_element(|r, s| {
                (at[s * k + r], at[r * k + s]) = (pairs.len(), pairs.len());
                pairs.push((r, s));
            });
            first.push(pairs.len());
            index.push(at);
        }
        Self {
            pairs,
            first,
            index,
            sizes: covs.iter().map(RelCov::vsize).collect(),
        }
    }

    /// Number of terms.
    pub fn n_terms(&self) -> usize {
        self.sizes.len()
    }

    /// Number of effects of a term.
    pub fn size(&self, term: usize) -> usize {
        self.sizes[term]
    }

    /// Number of directions.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Indices of a term's directions.
    pub fn of_term(&self, term: usize) -> std::ops::Range<usize> {
        self.first[term]..self.first[term + 1]
    }

    /// The elements of a term's directions.
    pub fn pairs(&self, term: usize) -> &[(usize, usize)] {
        &self.pairs[self.of_term(term)]
    }

    /// Index and element `(r, s)` of each of a term's directions.
    pub(crate) fn elements(
        &self,
        term: usize,
    ) -> impl Iterator<Item = (usize, (usize, usize))> + '_ {
        let pairs = self.pairs(term).iter().copied();
        self.of_term(term).zip(pairs)
    }

    /// Term, row and column of each direction.
    pub(crate) fn all(&self) -> Vec<(usize, usize, usize)> {
        let terms = 0..self.n_terms();
        let of_term = |term: usize| {
            let pairs = self.pairs(term).iter();
            pairs.map(move |&(r, s)| (term, r, s))
        };
        terms.flat_map(of_term).collect()
    }

    /// Index of the direction of element `(r, s)` of a term's Omega.
    pub fn index(&self, term: usize, k: usize, r: usize, s: usize) -> usize {
        self.index[term][s * k + r]
    }
}
