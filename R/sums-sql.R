# The columns of X and Z as expressions in the columns of a table, and the statements that sum them
# up: dplyr's verbs, which dbplyr, sparklyr and arrow carry out where the rows are.

#' The expressions of a plan
#' @param rows Some rows of the table, whose columns tell the types.
#' @return A list: `x`, `z` (per grouping factor a list), `y`, `w` (`NULL` for one), `atoms` (per
#'   grouping factor its variables) and `variables` (the columns of the table that are used).
#' @noRd
sums_expressions <- function(plan, rows, extras) {
  groups <- unique(vapply(plan$random, `[[`, "", "group"))
  x <- column_expressions(stats::delete.response(plan$fixed$terms), plan$fixed)
  z <- lapply(groups, \(group) {
    own <- Filter(\(term) term$group == group, plan$random)
    unlist(lapply(own, \(term) term_expressions(term)), recursive = FALSE)
  })
  atoms <- lapply(groups, \(group) group_variables(plan$random, group, rows))
  names(z) <- names(atoms) <- groups
  quoted <- lapply(extras, rlang::quo_get_expr)
  y <- plain_expression(plan$parsed$response)
  for (offset in c(formula_offsets(plan), quoted["offset"])) {
    if (!is.null(offset)) y <- call("-", y, plain_expression(offset))
  }
  found <- list(x = x, z = z, y = y, w = quoted$weights, atoms = atoms)
  used <- unlist(lapply(unlist(c(x, z, y, found$w)), all.vars))
  found$variables <- unique(c(used, unlist(atoms)))
  check_table_columns(found$variables, names(rows))
  found
}

formula_offsets <- function(plan) {
  terms <- plan$fixed$terms
  as.list(attr(terms, "variables"))[-1L][attr(terms, "offset")] |>
    lapply(\(offset) offset[[2L]])
}

term_expressions <- function(term) {
  if (identical(term$columns, "(Intercept)")) {
    return(list(1))
  }
  column_expressions(term$effects, term)
}

group_variables <- function(random, group, rows) {
  of_group <- \(term) term$group == group
  variables <- Filter(of_group, random)[[1L]]$group_vars
  odd <- setdiff(variables, names(rows))
  if (length(odd) > 0L) {
    abort_no_expression(odd[1L], "A grouping factor must be a column.")
  }
  variables
}

check_table_columns <- function(variables, known) {
  unknown <- setdiff(variables, known)
  if (length(unknown) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      sprintf("Can't find %s in the table.", tick(unknown[1L])),
      did_you_mean(unknown[1L], known)
    ),
    "rlmm_error_variable",
    variable = unknown[1L]
  )
}

# Columns of a model matrix ---------------------------------------------------

#' The columns of a model matrix, as model.matrix() orders them
#' @param part `contrasts` and `xlevels` of its variables.
#' @noRd
column_expressions <- function(terms, part) {
  factors <- attr(terms, "factors")
  columns <- if (attr(terms, "intercept") == 1L) list(1)
  for (label in attr(terms, "term.labels")) {
    codes <- rlang::set_names(factors[, label], rownames(factors))
    codes <- codes[codes > 0L]
    parts <- Map(\(name, code) coded(name, code, part), names(codes), codes)
    columns <- c(columns, Reduce(products_of, parts))
  }
  columns
}

products_of <- function(a, b) {
  pairs <- expand.grid(seq_along(a), seq_along(b))
  Map(\(i, j) call("*", a[[i]], b[[j]]), pairs[[1L]], pairs[[2L]])
}

# The columns of one variable of a term: `code` is 1 for contrasts and 2 for an indicator of each
# level, as in the attribute "factors" of terms.
coded <- function(name, code, part) {
  variable <- plain_expression(str2lang(name))
  levels <- part$xlevels[[name]]
  if (is.null(levels)) {
    is_logical <- identical(part$terms_classes[[name]], "logical")
    return(list(if (is_logical) indicator(variable, TRUE) else variable))
  }
  coding <- if (code == 1L) {
    coding_matrix(levels, part$contrasts[[name]])
  } else {
    diag(length(levels))
  }
  values <- level_values(levels, part$level_types[[name]])
  apply(coding, 2L, \(weights) level_sum(variable, values, weights))
}

coding_matrix <- function(levels, contrasts) {
  if (is.matrix(contrasts)) {
    return(contrasts[levels, , drop = FALSE])
  }
  f <- factor(levels, levels)
  stats::contrasts(stats::`contrasts<-`(f, value = contrasts))
}

level_values <- function(levels, type) {
  if (identical(type, "numeric")) as.numeric(levels) else levels
}

# sum_l weights[l] (variable == values[l])
level_sum <- function(variable, values, weights) {
  used <- which(weights != 0)
  parts <- lapply(used, \(l) {
    indicator(variable, values[[l]], weights[[l]])
  })
  Reduce(\(a, b) call("+", a, b), parts) %||% 0
}

indicator <- function(variable, value, weight = 1) {
  call("if_else", call("==", variable, value), weight, 0)
}

# An expression without what only R's formulas know.
plain_expression <- function(expr) {
  if (!is.call(expr)) {
    return(expr)
  }
  wrappers <- c("I", "factor", "as.factor", "(")
  if (deparse_one(expr[[1L]]) %in% wrappers && length(expr) == 2L) {
    return(plain_expression(expr[[2L]]))
  }
  expr[-1L] <- lapply(as.list(expr)[-1L], plain_expression)
  expr
}

abort_no_expression <- function(variable, why) {
  abort_rlmm(
    c(
      sprintf("Can't write %s for a database.", tick(variable)),
      x = why,
      i = "Compute it as a column of the table first?"
    ),
    "rlmm_error_sums",
    variable = variable
  )
}

# Statements ------------------------------------------------------------------

#' The statements that sum up a table, not carried out yet
#' @param table A lazy table.
#' @param centre `shift` and `beta0` of what is taken off X and the response.
#' @return A named list of lazy tables: "all", one per grouping factor, one per pair of them.
#' @noRd
sums_statements <- function(table, expressions, centre) {
  rows <- centred_rows(table, expressions, centre)
  parts <- row_names_of(expressions)
  groups <- names(expressions$z)
  places <- seq_along(groups)
  by_group <- lapply(places, \(g) {
    summarise_by(rows, parts$atoms[[g]], group_sums(parts, g))
  })
  pairs <- group_pairs(length(groups))
  by_pair <- lapply(pairs, \(pair) {
    atoms <- unique(unlist(parts$atoms[pair]))
    summarise_by(rows, atoms, pair_sums(parts, pair))
  })
  names(by_group) <- groups
  names(by_pair) <- vapply(
    pairs,
    \(pair) {
      paste(groups[pair], collapse = " and ")
    },
    ""
  )
  all <- summarise_by(rows, character(), total_sums(parts))
  c(list(all = all), by_group, by_pair)
}

# Pairs of grouping factors by number, in the order in which the core gives them.
group_pairs <- function(n) {
  pairs <- lapply(seq_len(n)[-1L], \(b) lapply(seq_len(b - 1L), \(a) c(a, b)))
  unlist(pairs, recursive = FALSE)
}

#' The names of the columns of the inner table: x1.., z1_1.., r, y, w, and the variables of groups
#' @noRd
row_names_of <- function(expressions) {
  p <- length(expressions$x)
  all <- unique(unlist(expressions$atoms))
  z <- lapply(seq_along(expressions$z), \(g) {
    sprintf("z%d_%d", g, seq_along(expressions$z[[g]]))
  })
  list(
    x = sprintf("x%d", seq_len(p)),
    z = z,
    atoms = lapply(expressions$atoms, \(own) sprintf("g%d", match(own, all))),
    weighted = !is.null(expressions$w)
  )
}

#' Rows with the columns of X, centred, those of Z, the residual response, and the groups
#' @noRd
centred_rows <- function(table, expressions, centre) {
  names <- row_names_of(expressions)
  complete <- lapply(expressions$variables, \(name) {
    call("!", call("is.na", as.name(name)))
  })
  table <- dplyr::filter(table, !!!complete)
  all <- unique(unlist(expressions$atoms))
  x <- Map(centred_column, expressions$x, centre$shift)
  columns <- c(
    rlang::set_names(lapply(all, as.name), sprintf("g%d", seq_along(all))),
    rlang::set_names(lapply(x, as_double), names$x),
    rlang::set_names(
      lapply(unlist(expressions$z, recursive = FALSE), as_double),
      unlist(names$z)
    ),
    list(y = as_double(expressions$y)),
    if (names$weighted) list(w = as_double(expressions$w))
  )
  rows <- dplyr::transmute(table, !!!columns)
  dplyr::mutate(rows, r = !!residual(names$x, centre$beta0))
}

as_double <- function(expr) call("*", 1, in_parentheses(expr))

in_parentheses <- function(expr) if (is.call(expr)) call("(", expr) else expr

centred_column <- function(column, shift) {
  if (shift == 0) column else call("-", column, shift)
}

residual <- function(x, beta0) {
  taken <- Map(\(x, b) if (b != 0) call("*", b, as.name(x)), x, beta0)
  taken <- taken[!vapply(taken, is.null, NA)]
  Reduce(\(r, part) call("-", r, part), taken, as.name("y"))
}

summarise_by <- function(rows, atoms, sums) {
  if (length(atoms) > 0L) {
    rows <- dplyr::group_by(rows, !!!lapply(atoms, as.name))
  }
  # Engines tell of missing values and of groups: there are none, and they are dropped.
  suppressMessages(dplyr::ungroup(dplyr::summarise(rows, !!!sums)))
}

# sum(w a b): `a` and `b` are names of columns.
product_sum <- function(a, b, weighted) {
  product <- call("*", as.name(a), as.name(b))
  if (weighted) {
    product <- call("*", as.name("w"), product)
  }
  call("sum", product, na.rm = TRUE)
}

# Sums of the products of columns, by names that tell which.
products <- function(a, b, prefix, weighted) {
  grid <- expand.grid(a = a, b = b, stringsAsFactors = FALSE)
  sums <- Map(\(a, b) product_sum(a, b, weighted), grid$a, grid$b)
  rlang::set_names(unname(sums), sprintf("%s%d", prefix, seq_along(sums)))
}

total_sums <- function(parts) {
  weighted <- parts$weighted
  w <- as.name("w")
  of <- \(a, b, prefix) products(a, b, prefix, weighted)
  is_positive <- call(">", w, 0)
  total <- \(expr) call("sum", expr, na.rm = TRUE)
  c(
    list(n = quote(n())),
    if (weighted) {
      list(
        n_eff = total(call("if_else", is_positive, 1, 0)),
        log_w = total(call("if_else", is_positive, call("log", w), 0)),
        negative = total(call("if_else", call("<", w, 0), 1, 0))
      )
    },
    list(missing = total(call("if_else", call("is.na", as.name("r")), 1, 0))),
    of(parts$x, parts$x, "xx"),
    of(parts$x, "r", "xr"),
    of("r", "r", "rr"),
    of("y", "y", "yy")
  )
}

group_sums <- function(parts, g) {
  z <- parts$z[[g]]
  weighted <- parts$weighted
  c(
    products(z, z, "zz", weighted),
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

# Results ---------------------------------------------------------------------

#' Sums from the results of the statements
#' @noRd
sums_from_results <- function(plan, expressions, centre, results) {
  parts <- row_names_of(expressions)
  all <- results[[1L]]
  check_totals(all, parts)
  n_groups <- length(parts$z)
  groups <- lapply(seq_len(n_groups), \(g) {
    read_group(results[[1L + g]], parts, g)
  })
  levels <- lapply(groups, `[[`, "levels")
  names(levels) <- names(expressions$z)
  pairs <- group_pairs(n_groups)
  of_pair <- \(pair, result) read_pair(result, parts, pair, levels)
  p <- length(parts$x)
  n <- as.numeric(all$n)
  sums <- list(
    n_eff = if (parts$weighted) as.numeric(all$n_eff) else n,
    sum_log_weights = if (parts$weighted) all$log_w else 0,
    shift = centre$shift,
    beta0 = centre$beta0,
    xx = matrix(block_of(all, "xx", p * p), p),
    xr = as.vector(block_of(all, "xr", p)),
    rr = all$rr1,
    yy = all$yy1,
    terms = lapply(groups, `[[`, "sums"),
    pairs = Map(of_pair, pairs, results[-seq_len(1L + n_groups)])
  )
  new_sums(plan, sums, levels, n)
}

check_totals <- function(all, parts) {
  if (nrow(all) != 1L || !isTRUE(all$n > 0)) {
    abort_rlmm(
      "The table must have a row without missing values.",
      "rlmm_error_no_rows"
    )
  }
  if (isTRUE(all$missing > 0)) {
    abort_rlmm(
      c(
        "A variable of the formula is missing where the columns that it is made of aren't.",
        x = sprintf("In %s of %s rows.", all$missing, all$n),
        i = "Is it computed from values outside of its domain, such as `log(-1)`?"
      ),
      "rlmm_error_missing"
    )
  }
  if (parts$weighted && isTRUE(all$negative > 0)) {
    abort_rlmm(
      "`weights` must be finite and not negative.",
      "rlmm_error_weights"
    )
  }
  values <- unlist(all)
  if (!all(is.finite(values))) {
    abort_rlmm(
      c(
        "The variables of `formula` must be finite.",
        x = "Sums over the table are infinite or missing."
      ),
      "rlmm_error_infinite"
    )
  }
}

# The columns prefix1, prefix2, .. of a result, a row each.
block_of <- function(result, prefix, size) {
  names <- sprintf("%s%d", prefix, seq_len(size))
  t(as.matrix(as.data.frame(result)[names]))
}

labels_of <- function(result, atoms) {
  atoms <- lapply(as.data.frame(result)[atoms], as.character)
  do.call(paste, c(unname(atoms), sep = ":"))
}

read_group <- function(result, parts, g) {
  p <- length(parts$x)
  k <- length(parts$z[[g]])
  n_levels <- nrow(result)
  labels <- labels_of(result, parts$atoms[[g]])
  order <- order(labels)
  result <- as.data.frame(result)[order, , drop = FALSE]
  of <- function(prefix, dim) {
    values <- block_of(result, prefix, prod(dim))
    array(values, c(dim, n_levels), dimnames = NULL)
  }
  sums <- list(zz = of("zz", c(k, k)), xz = of("xz", c(p, k)), zr = of("zr", k))
  list(levels = labels[order], sums = sums)
}

read_pair <- function(result, parts, pair, levels) {
  place <- function(g) {
    match(labels_of(result, parts$atoms[[pair[g]]]), levels[[pair[g]]])
  }
  dim <- lengths(parts$z[pair])
  zz <- block_of(result, "zz", prod(dim))
  list(
    terms = pair,
    a = place(1L),
    b = place(2L),
    zz = array(zz, c(dim, nrow(result)))
  )
}
