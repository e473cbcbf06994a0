# Linear maps and addition of sums: changing the origin of the columns and the fitted values that
# were subtracted from the response, and adding the sums of two parts of the data.

#' Sums of the same rows with other origins of the columns of X and other fitted values subtracted
#' from the response
#'
#' With M the matrix that maps the centred columns to those with the new origins, and e the old
#' coefficients minus the new ones, X becomes XM and the residual response r becomes r + Xe.
#' @noRd
recentre <- function(sums, shift, beta0) {
  change <- change_of_shift(sums$shift, shift)
  sums <- change_residuals(sums, drop(sums$beta0 - change %*% beta0))
  sums$xr <- drop(crossprod(change, sums$xr))
  sums$xx <- crossprod(change, sums$xx %*% change)
  sums$terms <- lapply(sums$terms, shift_term, change)
  sums$shift <- shift
  sums$beta0 <- beta0
  sums
}

# Replaces the residual response r by r + Xe.
change_residuals <- function(sums, e) {
  xr <- sums$xr + drop(sums$xx %*% e)
  sums$rr <- sums$rr + sum(e * (sums$xr + xr))
  sums$xr <- xr
  sums$terms <- lapply(sums$terms, \(term) {
    xz <- matrix(term$xz, length(e), length(term$zr))
    term$zr <- term$zr + as.vector(crossprod(xz, e))
    term
  })
  sums
}

# The matrix M that maps columns with one origin to those with another one.
change_of_shift <- function(old, new) {
  change <- diag(length(new))
  if (length(new) > 1L) {
    change[1L, -1L] <- old[-1L] - new[-1L]
  }
  change
}

#' Sums with other origins of X and the same fitted values subtracted
#' @noRd
reshift <- function(sums, shift) {
  beta0 <- sums$beta0
  if (length(shift) > 1L) {
    beta0[1L] <- beta0[1L] + sum((shift - sums$shift)[-1L] * beta0[-1L])
  }
  recentre(sums, shift, beta0)
}

shift_term <- function(term, change) {
  xz <- matrix(term$xz, nrow(change))
  term$xz <- array(crossprod(change, xz), dim(term$xz))
  term
}

#' Sums without a column of X whose coefficient is held at a value
#' @noRd
hold_column <- function(sums, at, value) {
  if (at == 1L) {
    sums <- recentre(
      sums,
      numeric(length(sums$shift)),
      sums$beta0
    )
  }
  held <- replace(sums$beta0, at, value)
  sums <- recentre(sums, sums$shift, held)
  shift <- sums$shift[at]
  sums <- subtract_least_squares(drop_column(sums, at))
  if (at > 1L) {
    # The coefficient of the first column refers to columns that are not centred.
    sums$beta0[1L] <- sums$beta0[1L] - shift * value
  }
  sums
}

#' Sums with the least-squares fit subtracted from the response
#' @noRd
subtract_least_squares <- function(sums) {
  beta0 <- sums$beta0 + solve_scaled(sums$xx, sums$xr)
  recentre(sums, sums$shift, beta0)
}

drop_column <- function(sums, at) {
  for (name in c("shift", "beta0", "xr")) {
    sums[[name]] <- sums[[name]][-at]
  }
  sums$xx <- sums$xx[-at, -at, drop = FALSE]
  sums$terms <- lapply(sums$terms, \(term) {
    term$xz <- term$xz[-at, , , drop = FALSE]
    term
  })
  sums
}

#' Solves the normal equations; scaling to a unit diagonal allows columns of any magnitude
#' @noRd
solve_scaled <- function(xx, xr) {
  if (length(xr) == 0L) {
    return(numeric())
  }
  size <- sqrt(diag(xx))
  root <- chol(xx / tcrossprod(size))
  backsolve(root, backsolve(root, xr / size, transpose = TRUE)) / size
}

#' Sums with the columns of one term permuted
#' @noRd
permute_sums <- function(sums, term, columns) {
  if (!is.null(sums$summed)) {
    sums$summed[[term]] <- sums$summed[[term]][columns, columns, drop = FALSE]
  }
  sums$terms[[term]] <- select_term_columns(sums$terms[[term]], columns)
  sums$pairs <- lapply(sums$pairs, \(pair) {
    if (pair$terms[1L] == term) {
      pair$zz <- pair$zz[columns, , , drop = FALSE]
    }
    if (pair$terms[2L] == term) {
      pair$zz <- pair$zz[, columns, , drop = FALSE]
    }
    pair
  })
  sums
}

select_term_columns <- function(term, columns) {
  term$zz <- term$zz[columns, columns, , drop = FALSE]
  term$xz <- term$xz[, columns, , drop = FALSE]
  term$zr <- term$zr[columns, , drop = FALSE]
  term
}

#' Adds the sums of two disjoint parts of the data
#' @noRd
add_sums <- function(a, b) {
  check_same_sums(a, b)
  levels <- Map(union, a$levels, b$levels)
  places <- lapply(list(a, b), \(part) Map(match, part$levels, levels))
  a$sums <- add_numbers(a$sums, b$sums, places, lengths(levels))
  a$keys <- Map(
    append_keys,
    a$keys,
    b$keys,
    a$levels,
    b$levels
  )
  a$levels <- levels
  a$n <- a$n + b$n
  a
}

# Keys ------------------------------------------------------------------------

#' The labels of levels, pasted from the values of their variables
#' @param keys A list with the values of each variable of a grouping factor, one for each level.
#' @noRd
key_labels <- function(keys) {
  do.call(paste, c(unname(lapply(keys, as.character)), sep = ":"))
}

append_keys <- function(a, b, levels_a, levels_b) {
  new <- which(!levels_b %in% levels_a)
  Map(append_values, a, lapply(b, `[`, new))
}

# A variable may be a factor in one part and text in the other.
append_values <- function(x, y) {
  if (is.factor(x) || is.factor(y)) {
    levels <- common_order(list(order_of_levels(x), order_of_levels(y)))
    return(factor(c(as.character(x), as.character(y)), levels))
  }
  is_same <- identical(class(x), class(y)) || (is.numeric(x) && is.numeric(y))
  if (is_same) c(x, y) else c(as.character(x), as.character(y))
}

#' Sums with the levels in the order of a fit of rows
#'
#' Numbers are sorted, factors keep the order of their levels. Values with equal labels are one
#' level.
#' @noRd
levels_in_order <- function(sums) {
  if (is.null(sums$keys)) {
    return(sums)
  }
  code <- \(keys, group) group_codes(names(keys), keys, group)
  codes <- Map(code, sums$keys, names(sums$keys))
  refs <- lapply(codes, `[[`, "refs")
  sums$levels <- lapply(codes, `[[`, "levels")
  sums$keys <- NULL
  sums$sums <- order_numbers(sums$sums, refs, lengths(sums$levels))
  sums
}

order_numbers <- function(numbers, refs, n_levels) {
  order_term <- \(term, refs, n) lapply(term, place_levels, refs, n)
  numbers$terms <- Map(order_term, numbers$terms, refs, n_levels)
  numbers$pairs <- lapply(numbers$pairs, \(pair) {
    order_pair(
      pair,
      refs[pair$terms],
      n_levels[pair$terms]
    )
  })
  numbers
}

# Moves the slices of an array, whose last dimension is the levels, to new level numbers and adds
# slices with the same number.
place_levels <- function(x, refs, n_levels) {
  if (identical(refs, seq_len(n_levels))) {
    return(x)
  }
  dim <- dim(x)
  dim[length(dim)] <- n_levels
  x <- matrix(x, ncol = length(refs))
  array(t(rowsum(t(x), refs)), dim)
}

order_pair <- function(pair, refs, n_levels) {
  n <- n_levels[[1L]]
  key <- cell_key(
    refs[[1L]][pair$a],
    refs[[2L]][pair$b],
    n
  )
  keys <- sort(unique(key))
  zz <- place_levels(
    pair$zz,
    match(key, keys),
    length(keys)
  )
  pair[c("a", "b")] <- cells_of_keys(keys, n)
  pair$zz <- zz
  pair
}

# One number for each cell of two factors, of which the first has n levels.
cell_key <- function(a, b, n) {
  (b - 1) * n + a
}

cells_of_keys <- function(keys, n) {
  list(
    a = as.integer((keys - 1) %% n + 1),
    b = as.integer((keys - 1) %/% n + 1)
  )
}

# Numbers ---------------------------------------------------------------------

#' Adds the arrays of two parts
#' @param places For both parts, the positions of the levels of each factor among those of the
#'   total.
#' @noRd
add_numbers <- function(a, b, places, n_levels) {
  b <- sums_of_columns(recentre(b, a$shift, a$beta0), a$summed)
  for (name in c("n_eff", "sum_log_weights", "xx", "xr", "rr", "yy")) {
    a[[name]] <- a[[name]] + b[[name]]
  }
  at <- Map(list, places[[1L]], places[[2L]])
  a$terms[] <- Map(add_terms, a$terms, b$terms, at, n_levels)
  a$pairs <- Map(
    add_pairs,
    a$pairs,
    b$pairs,
    list(places),
    list(n_levels)
  )
  a
}

# Adds arrays of two parts, whose last dimension is the levels.
add_terms <- function(a, b, at, n_levels) {
  Map(
    function(a, b) {
      dim <- dim(a)
      dim[length(dim)] <- n_levels
      sum <- matrix(
        0,
        prod(dim[-length(dim)]),
        n_levels
      )
      sum[, at[[1L]]] <- a
      sum[, at[[2L]]] <- sum[, at[[2L]]] + as.vector(b)
      array(sum, dim)
    },
    a,
    b
  )
}

add_pairs <- function(a, b, places, n_levels) {
  n <- n_levels[[a$terms[1L]]]
  key_a <- cell_keys_in_total(a, places[[1L]], n)
  key_b <- cell_keys_in_total(b, places[[2L]], n)
  keys <- sort(unique(c(key_a, key_b)))
  dim <- c(dim(a$zz)[1:2], length(keys))
  zz <- matrix(
    0,
    prod(dim[1:2]),
    length(keys)
  )
  zz[, match(key_a, keys)] <- a$zz
  at <- match(key_b, keys)
  zz[, at] <- zz[, at] + as.vector(b$zz)
  cells <- cells_of_keys(keys, n)
  list(
    terms = a$terms,
    a = cells$a,
    b = cells$b,
    zz = array(zz, dim)
  )
}

# The keys of the cells of a pair of factors, with levels numbered as in the total.
cell_keys_in_total <- function(pair, places, n) {
  a <- places[[pair$terms[1L]]][pair$a]
  b <- places[[pair$terms[2L]]][pair$b]
  cell_key(a, b, n)
}

# Raises an error unless two objects are sums of the same columns.
check_same_sums <- function(a, b) {
  reason <- difference_of_plans(a$plan, b$plan)
  if (!is.null(reason)) {
    abort_rlmm(
      c("The sums must be those of one model.", x = reason),
      "rlmm_error_sums"
    )
  }
}

#' A sentence about the first difference of two plans; `NULL` if there is none
#' @noRd
difference_of_plans <- function(a, b) {
  same <- \(name) identical(a[[name]], b[[name]])
  dependent <- setdiff(c(a$dependent, b$dependent), c(bases(a), bases(b)))
  given <- list(names(a$arguments), names(b$arguments))
  own <- setdiff(unlist(given), Reduce(intersect, given))
  if (deparse_one(a$formula) != deparse_one(b$formula)) {
    other_formulas(a$formula, b$formula)
  } else if (!same("apart")) {
    other_way(a$apart, b$apart)
  } else if (!same("xlevels")) {
    other_levels(a$xlevels, b$xlevels)
  } else if (!have_same_columns(a, b)) {
    "Their columns differ: are contrasts or types of variables the same?"
  } else if (!have_same_codings(a, b)) {
    "The contrasts of a factor are others in one part than in another."
  } else if (!same("predvars")) {
    "A variable depends on all rows of its data, such as `poly(x, 2)`."
  } else if (length(dependent) > 0L) {
    sprintf("%s depends on all rows of its data.", tick(dependent[1L]))
  } else if (!same("coded")) {
    "A variable goes by the levels of a factor, which are others in one part than in another."
  } else if (length(own) > 0L) {
    sprintf("Only one part has %s.", tick(own[1L]))
  } else if (!same("frequency")) {
    "The weights of one part count rows, those of another don't."
  }
}

other_formulas <- function(a, b) {
  texts <- tick(c(deparse_one(a), deparse_one(b)))
  sprintf("Their formulas are %s and %s.", texts[1L], texts[2L])
}

have_same_columns <- function(a, b) {
  random <- \(plan) lapply(plan$random, `[[`, "columns")
  identical(a$fixed$names, b$fixed$names) && identical(random(a), random(b))
}

have_same_codings <- function(a, b) {
  given <- \(plan) lapply(effect_parts(plan), `[[`, "contrasts")
  identical(given(a), given(b)) || isTRUE(all.equal(codings(a), codings(b)))
}

effect_parts <- function(plan) c(list(plan$fixed), unname(plan$random))

# The contrast matrices of the factors in all effects.
codings <- function(plan) {
  lapply(effect_parts(plan), \(part) {
    names <- as.character(names(part$contrasts))
    lapply(rlang::set_names(names), \(name) {
      matrix_of_coding(part$contrasts[[name]], plan$xlevels[[name]])
    })
  })
}

matrix_of_coding <- function(contrasts, levels) {
  matrix <- if (is.matrix(contrasts)) {
    contrasts
  } else {
    match.fun(contrasts)(length(levels))
  }
  unname(as.matrix(matrix))
}

# The rows of one part were summed by the levels of a factor, which has dummy columns in the other.
other_way <- function(a, b) {
  text <- paste(
    "%s has many levels in one part and few in another:",
    "set the option `rlmm.large_factor` to less than the number in each."
  )
  sprintf(text, tick(unquoted((a %||% b)$group)))
}

other_levels <- function(a, b) {
  differs <- \(name) !identical(a[[name]], b[[name]])
  name <- Filter(differs, union(names(a), names(b)))[1L]
  paste0(
    tick(name),
    " has other levels in one part than in another, and effects by group or contrasts of its own."
  )
}
