# Statements that sum products of the columns of X and Z, in dplyr's verbs, which dbplyr, sparklyr
# and arrow carry out where the rows are.

# Engines limit the number of columns of a result, to 1,000 in the strictest case.
max_result_columns <- 900L

#' The statements that sum a table, not executed yet
#' @param table A lazy table.
#' @param centre A list: `shift`, the origins of X; `beta0`, whose fit is subtracted from the
#'   response; and `summed`, the origins of Z.
#' @return A named list of lazy tables: "all", one for each grouping factor, and one for each pair
#'   of grouping factors; several of each if there are more sums than an engine returns at once. The
#'   attribute `of` has the number of each in [sums_wanted()].
#' @noRd
sums_statements <- function(table, expressions, centre) {
  rows <- centred_rows(table, expressions, centre)
  wanted <- sums_wanted(row_names_of(expressions))
  made <- lapply(wanted, \(one) {
    lapply(
      split_by_max_columns(one$sums),
      summarise_by,
      rows = rows,
      atoms = one$atoms
    )
  })
  of <- rep(seq_along(wanted), lengths(made))
  part <- sequence(lengths(made))
  suffix <- ifelse(part > 1L, paste(", part", part), "")
  names <- paste0(names(wanted)[of], suffix)
  made <- unlist(made, recursive = FALSE, use.names = FALSE)
  structure(rlang::set_names(made, names), of = of)
}

# Splits sums into parts that an engine can return.
split_by_max_columns <- function(sums) {
  split(sums, (seq_along(sums) - 1L) %/% max_result_columns)
}

#' The sums that are needed: over all rows, by each grouping factor and by each pair of them
#' @return A named list of lists: `atoms`, the columns to group by, and `sums`, expressions.
#' @noRd
sums_wanted <- function(parts) {
  groups <- names(parts$z)
  all <- list(atoms = character(), sums = total_sums(parts))
  by_group <- lapply(seq_along(groups), \(g) {
    list(atoms = parts$atoms[[g]], sums = group_sums(parts, g))
  })
  names(by_group) <- groups
  c(list(all = all), by_group, pairs_wanted(parts))
}

pairs_wanted <- function(parts) {
  groups <- names(parts$z)
  pairs <- group_pairs(length(groups))
  together <- \(pair) paste(groups[pair], collapse = " and ")
  wanted <- lapply(pairs, \(pair) {
    atoms <- unique(unlist(parts$atoms[pair]))
    list(atoms = atoms, sums = pair_sums(parts, pair))
  })
  rlang::set_names(wanted, vapply(pairs, together, ""))
}

# The pairs of n grouping factors, in the order of the core.
group_pairs <- function(n) {
  pairs_below <- function(b) {
    lapply(seq_len(b - 1L), c, b)
  }
  pairs <- lapply(seq_len(n)[-1L], pairs_below)
  unlist(pairs, recursive = FALSE)
}

#' The names of the columns of the inner table: x1, ..., z1_1, ..., r, y, w, and g1, ... for groups
#'
#' `indicates` is a matrix with a column for each column of X: the variable and the level that it
#' indicates, see [indicated_level()].
#' @noRd
row_names_of <- function(expressions) {
  all <- names(expressions$groups)
  z <- expressions$z
  names_of_z <- \(own, g) sprintf("z%d_%d", g, seq_along(own))
  list(
    x = sprintf("x%d", seq_along(expressions$x)),
    z = Map(names_of_z, z, seq_along(z)),
    indicates = vapply(expressions$x, indicated_level, indicated_level(1)),
    atoms = lapply(expressions$atoms, \(own) sprintf("g%d", match(own, all))),
    weighted = !is.null(expressions$w),
    frequency = expressions$frequency
  )
}

# Rows ------------------------------------------------------------------------

#' The table of centred columns of X and Z, the residual response and the groups
#' @noRd
centred_rows <- function(table, expressions, centre) {
  names <- row_names_of(expressions)
  as_double <- engine_of(table)$double
  groups <- expressions$groups
  x <- Map(centred_column, expressions$x, centre$shift)
  z <- unlist(expressions$z, recursive = FALSE)
  z <- Map(centred_column, z, summed_origins(centre, lengths(expressions$z)))
  columns <- c(
    rlang::set_names(unname(groups), sprintf("g%d", seq_along(groups))),
    rlang::set_names(lapply(x, as_double), names$x),
    rlang::set_names(lapply(z, as_double), unlist(names$z)),
    list(y = as_double(expressions$y)),
    if (names$weighted) list(w = as_double(expressions$w))
  )
  rows <- dplyr::transmute(complete_rows(table, expressions), !!!columns)
  dplyr::mutate(rows, r = !!residual(names$x, centre$beta0))
}

# Rows without missing values and, with frequency weights, without zero frequencies.
complete_rows <- function(table, expressions) {
  rows <- rows_with(table, expressions$variables)
  if (expressions$frequency) {
    is_counted <- call("!=", in_parentheses(expressions$w), 0)
    rows <- dplyr::filter(rows, !!is_counted)
  }
  rows
}

# The origins of the columns of Z, for all grouping factors in a row: the elements of M below its
# diagonal.
summed_origins <- function(centre, sizes) {
  if (is.null(centre$summed)) {
    return(numeric(sum(sizes)))
  }
  unlist(lapply(centre$summed, \(m) rowSums(m) - 1))
}

centred_column <- function(column, shift) {
  if (shift == 0) column else call("-", column, shift)
}

residual <- function(x, beta0) {
  used <- beta0 != 0
  if (!any(used)) {
    return(as.name("y"))
  }
  taken <- Map(
    \(x, b) call("*", b, as.name(x)),
    x[used],
    beta0[used]
  )
  call("-", as.name("y"), in_parentheses(balanced_sum(taken)))
}

summarise_by <- function(rows, atoms, sums) {
  if (length(atoms) > 0L) {
    rows <- dplyr::group_by(rows, !!!lapply(atoms, as.name))
  }
  # Messages of engines about missing values and groups don't apply here.
  suppressMessages(dplyr::ungroup(dplyr::summarise(rows, !!!sums)))
}

# Sums ------------------------------------------------------------------------

# sum(w a b) for the columns named `a` and `b`.
product_sum <- function(a, b, weighted) {
  product <- call("*", as.name(a), as.name(b))
  if (weighted) {
    product <- call("*", as.name("w"), product)
  }
  call("sum", product, na.rm = TRUE)
}

# Sums of the products of the columns `a` with the columns `b`, named by a prefix and a number.
products <- function(a, b, prefix, weighted) {
  grid <- expand.grid(
    a = a,
    b = b,
    stringsAsFactors = FALSE
  )
  sums <- Map(
    \(a, b) product_sum(a, b, weighted),
    grid$a,
    grid$b
  )
  rlang::set_names(unname(sums), sprintf("%s%d", prefix, seq_along(sums)))
}

#' Sums of the products of columns among themselves, with one for each pair
#' @param is_summed A logical matrix of the wanted products; by default the upper triangle.
#' @noRd
own_products <- function(
  a,
  prefix,
  weighted,
  is_summed = upper.tri(diag(length(a)), diag = TRUE)
) {
  pairs <- which(is_summed, arr.ind = TRUE)
  sums <- Map(
    \(i, j) product_sum(a[i], a[j], weighted),
    pairs[, 1L],
    pairs[, 2L]
  )
  rlang::set_names(unname(sums), sprintf("%s%d", prefix, seq_along(sums)))
}

#' The elements of X'X that are summed: the upper triangle, except the products of indicators of two
#' levels of one variable, which are zero in every row
#'
#' Two columns may indicate the same level, such as those of `a` and `factor(a)`.
#' @param indicates See [row_names_of()].
#' @noRd
is_summed_product <- function(indicates) {
  variable <- indicates["variable", ]
  level <- indicates["level", ]
  same_variable <- outer(variable, variable, "==") & nzchar(variable)
  is_zero <- same_variable & outer(level, level, "!=")
  upper.tri(is_zero, diag = TRUE) & !is_zero
}

#' The position of each element of a symmetric matrix in its packed upper triangle
#' @noRd
symmetric_places <- function(k) {
  at <- matrix(0L, k, k)
  at[upper.tri(at, diag = TRUE)] <- seq_len(k * (k + 1L) / 2L)
  pmax(at, t(at))
}

total_sums <- function(parts) {
  weighted <- parts$weighted
  of <- \(a, b, prefix) products(a, b, prefix, weighted)
  c(
    list(n = quote(n())),
    if (weighted) weight_sums(parts$frequency),
    list(missing = count_of(call("is.na", as.name("r")))),
    own_products(parts$x, "xx", weighted, is_summed_product(parts$indicates)),
    of(parts$x, "r", "xr"),
    of("r", "r", "rr"),
    of("y", "y", "yy")
  )
}

weight_sums <- function(frequency) {
  w <- as.name("w")
  is_positive <- call(">", w, 0)
  list(
    n_eff = count_of(is_positive),
    # Some engines compute the logarithm also where the condition is false.
    log_w = total_of(call("log", call("if_else", is_positive, w, 1))),
    negative = count_of(call("<", w, 0)),
    total_w = if (frequency) total_of(w),
    broken = if (frequency) count_of(call("!=", w, call("floor", w)))
  ) |>
    Filter(f = Negate(is.null))
}

total_of <- function(expr) call("sum", expr, na.rm = TRUE)

count_of <- function(condition) total_of(call("if_else", condition, 1, 0))

group_sums <- function(parts, g) {
  z <- parts$z[[g]]
  weighted <- parts$weighted
  c(
    own_products(z, "zz", weighted),
    products(parts$x, z, "xz", weighted),
    products(z, "r", "zr", weighted)
  )
}

pair_sums <- function(parts, pair) {
  products(
    parts$z[[pair[1L]]],
    parts$z[[pair[2L]]],
    "zz",
    parts$weighted
  )
}
