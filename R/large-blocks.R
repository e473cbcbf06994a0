# Large factors as terms of the spec: a factor and its slopes form one block, a term with one column
# for the factor and one for each of its slopes.

#' Whether an entry of the large factors is a column of slopes by level
#' @noRd
is_slope <- function(own) !is.null(own$covariate)

#' Whether some entry is a factor itself, not slopes: its indicators span the constant
#' @noRd
has_indicator <- function(factors) {
  !all(vapply(factors, is_slope, NA))
}

# Numbers the blocks and the columns within them; entries with the same grouping variables share a
# block.
assign_blocks <- function(factors) {
  groups <- vapply(factors, large_group, "")
  blocks <- match(groups, unique(groups))
  columns <- stats::ave(blocks, blocks, FUN = seq_along)
  Map(
    \(own, block, column) c(own, list(block = block, column = column)),
    factors,
    blocks,
    columns
  )
}

#' The variables whose combinations are the levels of a large factor
#' @noRd
large_group <- function(own) paste(names(own$xlevels), collapse = ":")

#' The number of blocks, that is of terms of the spec
#' @noRd
n_blocks <- function(large) {
  max(vapply(large$factors, `[[`, 1L, "block"))
}

# The entries of one block.
factors_of_block <- function(large, block) {
  Filter(\(own) own$block == block, large$factors)
}

#' The large factors as terms of the spec
#' @noRd
large_core_terms <- function(large) {
  lapply(seq_len(n_blocks(large)), \(block) {
    factors <- factors_of_block(large, block)
    columns <- lapply(factors, level_column, large$is_column)
    list(
      refs = factors[[1L]]$refs,
      n_levels = length(factors[[1L]]$levels),
      z = if (!is.null(factors[[1L]]$refs)) columns,
      columns = vapply(factors, `[[`, "", "label"),
      part_kind = "fixed",
      part_size = length(factors),
      part_theta = 0L
    )
  })
}

# The column of Z for an entry: the covariate of slopes, or one, and zero in rows whose level has no
# column. Designs of sums have no rows.
level_column <- function(own, is_column) {
  has_column <- is_column[own$at]
  values <- own$values %||% 1
  if (all(has_column)) values else has_column[own$refs] * values
}

#' Concatenates the rows of the blocks' matrices (columns by levels) in the order of the factors
#' @noRd
by_factor <- function(blocks, large) {
  unlist(lapply(large$factors, \(own) blocks[[own$block]][own$column, ]))
}

#' Whether a term of a spec stands for the levels of a fixed factor
#' @noRd
is_fixed_term <- function(core_term) identical(core_term$part_kind, "fixed")

#' The numbers of the terms of a spec that stand for the levels of fixed factors
#' @noRd
fixed_term_numbers <- function(spec) {
  which(vapply(spec$terms, is_fixed_term, NA))
}

#' A spec without some of its last terms
#' @noRd
spec_without_terms <- function(spec, terms) {
  if (length(terms) == 0L) {
    return(spec)
  }
  spec$terms <- spec$terms[-terms]
  if (!is.null(spec$sums)) {
    is_left <- \(pair) !any(pair$terms %in% terms)
    spec$sums$pairs <- Filter(is_left, spec$sums$pairs)
    spec$sums$terms <- spec$sums$terms[-terms]
    spec$sums$summed <- spec$sums$summed[-terms]
  }
  spec
}
