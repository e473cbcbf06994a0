# The algebra of sums: taking off X and y what was not taken off before, and adding up.

#' Sums of the same rows, with another shift of X and another fit of y taken off
#'
#' With M the matrix that takes the centred columns to those of the new shift, and e the fit that
#' was taken off less the new one, X becomes XM and the residual response r + Xe.
#' @noRd
recentre <- function(sums, shift, beta0) {
  p <- length(shift)
  change <- diag(p)
  if (p > 1L) {
    change[1L, -1L] <- sums$shift[-1L] - shift[-1L]
  }
  e <- drop(sums$beta0 - change %*% beta0)
  xr <- sums$xr + drop(sums$xx %*% e)
  sums$rr <- sums$rr + sum(e * (sums$xr + xr))
  sums$xr <- drop(crossprod(change, xr))
  sums$xx <- crossprod(change, sums$xx %*% change)
  sums$terms <- lapply(sums$terms, recentre_term, change, e)
  sums[c("shift", "beta0")] <- list(shift, beta0)
  sums
}

#' Sums with another shift of X, the same fit taken off
#' @noRd
reshift <- function(sums, shift) {
  beta0 <- sums$beta0
  if (length(shift) > 1L) {
    beta0[1L] <- beta0[1L] + sum((shift - sums$shift)[-1L] * beta0[-1L])
  }
  recentre(sums, shift, beta0)
}

recentre_term <- function(term, change, e) {
  dim <- dim(term$xz)
  xz <- matrix(term$xz, nrow(change))
  term$zr <- term$zr + as.vector(crossprod(xz, e))
  term$xz <- array(crossprod(change, xz), dim)
  term
}

#' Sums without a column of X, whose coefficient has the value
#' @noRd
hold_column <- function(sums, at, value) {
  if (at == 1L) {
    sums <- recentre(sums, numeric(length(sums$shift)), sums$beta0)
  }
  held <- replace(sums$beta0, at, value)
  sums <- recentre(sums, sums$shift, held)
  # The coefficient of the first column is that of the columns as they are.
  own_shift <- if (at > 1L) sums$shift[at] * value else 0
  sums <- drop_column(sums, at)
  beta0 <- sums$beta0 + solve_scaled(sums$xx, sums$xr)
  sums <- recentre(sums, sums$shift, beta0)
  if (at > 1L) {
    sums$beta0[1L] <- sums$beta0[1L] - own_shift
  }
  sums
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

#' The coefficients of least squares, from products of columns of any size
#' @noRd
solve_scaled <- function(xx, xr) {
  if (length(xr) == 0L) {
    return(numeric())
  }
  size <- sqrt(diag(xx))
  root <- chol(xx / tcrossprod(size))
  backsolve(root, backsolve(root, xr / size, transpose = TRUE)) / size
}

#' Sums with the columns of one term in another order
#' @noRd
permute_sums <- function(sums, term, columns) {
  sums$terms[[term]] <- move_columns(sums$terms[[term]], columns)
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

move_columns <- function(term, columns) {
  term$zz <- term$zz[columns, columns, , drop = FALSE]
  term$xz <- term$xz[, columns, , drop = FALSE]
  term$zr <- term$zr[columns, , drop = FALSE]
  term
}

#' Sums of the rows of two parts of the data
#' @noRd
add_sums <- function(a, b) {
  check_same_sums(a, b)
  other <- recentre(b$sums, a$sums$shift, a$sums$beta0)
  levels <- Map(union, a$levels, b$levels)
  places <- list(Map(match, a$levels, levels), Map(match, b$levels, levels))
  a$sums <- add_numbers(a$sums, other, places, lengths(levels))
  a$keys <- Map(append_keys, a$keys, b$keys, a$levels, b$levels)
  a$levels <- levels
  a$n <- a$n + b$n
  a
}

# Keys ------------------------------------------------------------------------

#' The labels of levels, of the values of their variables
#' @param keys A list: for each variable of a grouping factor its values at the levels.
#' @noRd
key_labels <- function(keys) {
  do.call(paste, c(unname(lapply(keys, as.character)), sep = ":"))
}

append_keys <- function(a, b, levels_a, levels_b) {
  new <- which(!levels_b %in% levels_a)
  Map(append_values, a, lapply(b, `[`, new))
}

# A factor in one part may be text in another.
append_values <- function(x, y) {
  if (is.factor(x) || is.factor(y)) {
    levels <- union(levels(x) %||% unique(x), levels(y) %||% unique(y))
    return(factor(c(as.character(x), as.character(y)), levels))
  }
  is_same <- identical(class(x), class(y)) || (is.numeric(x) && is.numeric(y))
  if (is_same) c(x, y) else c(as.character(x), as.character(y))
}

#' Sums whose levels stand in the order that they have in a fit of rows
#'
#' Numbers by size, factors as their levels; values that are written alike are one level.
#' @noRd
levels_in_order <- function(sums) {
  groups <- names(sums$keys)
  codes <- Map(
    \(keys, group) group_codes(names(keys), keys, group),
    sums$keys,
    groups
  )
  refs <- lapply(codes, `[[`, "refs")
  sums$levels <- lapply(codes, `[[`, "levels")
  n_levels <- lengths(sums$levels)
  sums$keys <- NULL
  sums$sums$terms <- Map(
    \(term, refs, n) lapply(term, place_levels, refs, n),
    sums$sums$terms,
    refs,
    n_levels
  )
  ordered <- \(pair) order_pair(pair, refs[pair$terms], n_levels[pair$terms])
  sums$sums$pairs <- lapply(sums$sums$pairs, ordered)
  sums
}

# Arrays whose last dimension are the levels.
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
  key <- (refs[[2L]][pair$b] - 1) * n_levels[[1L]] + refs[[1L]][pair$a]
  keys <- sort(unique(key))
  pair$zz <- place_levels(pair$zz, match(key, keys), length(keys))
  pair$a <- as.integer((keys - 1) %% n_levels[[1L]] + 1)
  pair$b <- as.integer((keys - 1) %/% n_levels[[1L]] + 1)
  pair
}

# Numbers ---------------------------------------------------------------------

add_numbers <- function(a, b, places, n_levels) {
  for (name in c("n_eff", "sum_log_weights", "xx", "xr", "rr", "yy")) {
    a[[name]] <- a[[name]] + b[[name]]
  }
  for (i in seq_along(a$terms)) {
    at <- list(places[[1L]][[i]], places[[2L]][[i]])
    a$terms[[i]] <- add_terms(a$terms[[i]], b$terms[[i]], at, n_levels[[i]])
  }
  a$pairs <- Map(add_pairs, a$pairs, b$pairs, list(places), list(n_levels))
  a
}

# Arrays whose last dimension are the levels.
add_terms <- function(a, b, at, n_levels) {
  Map(
    function(a, b) {
      dim <- dim(a)
      dim[length(dim)] <- n_levels
      sum <- matrix(0, prod(dim[-length(dim)]), n_levels)
      sum[, at[[1L]]] <- a
      sum[, at[[2L]]] <- sum[, at[[2L]]] + as.vector(b)
      array(sum, dim)
    },
    a,
    b
  )
}

add_pairs <- function(a, b, places, n_levels) {
  first <- a$terms[1L]
  second <- a$terms[2L]
  place <- function(pair, part) {
    pair$a <- places[[part]][[first]][pair$a]
    pair$b <- places[[part]][[second]][pair$b]
    pair
  }
  a <- place(a, 1L)
  b <- place(b, 2L)
  key <- \(pair) (pair$b - 1) * n_levels[[first]] + pair$a
  keys <- sort(unique(c(key(a), key(b))))
  dim <- c(dim(a$zz)[1:2], length(keys))
  zz <- matrix(0, prod(dim[1:2]), length(keys))
  zz[, match(key(a), keys)] <- a$zz
  at <- match(key(b), keys)
  zz[, at] <- zz[, at] + as.vector(b$zz)
  list(
    terms = a$terms,
    a = as.integer((keys - 1) %% n_levels[[first]] + 1),
    b = as.integer((keys - 1) %/% n_levels[[first]] + 1),
    zz = array(zz, dim)
  )
}

# Whether two objects are sums of the same columns.
check_same_sums <- function(a, b) {
  same <- \(name) identical(a$plan[[name]], b$plan[[name]])
  columns <- \(sums) lapply(sums$plan$random, `[[`, "columns")
  formulas <- list(a$plan$formula, b$plan$formula)
  texts <- vapply(formulas, deparse_one, "")
  reason <- if (texts[1L] != texts[2L]) {
    paste0(
      "Their formulas are ",
      tick(texts[1L]),
      " and ",
      tick(texts[2L]),
      "."
    )
  } else if (!same("xlevels")) {
    other_levels(a$plan$xlevels, b$plan$xlevels)
  } else if (
    !identical(a$plan$fixed$names, b$plan$fixed$names) ||
      !identical(columns(a), columns(b))
  ) {
    "Their columns differ: are contrasts or types of variables the same?"
  } else if (!same("predvars")) {
    "A variable depends on all rows of its data, such as `poly(x, 2)`."
  } else if (!same("frequency")) {
    "The weights of one part count rows, those of another don't."
  }
  if (is.null(reason)) {
    return(invisible())
  }
  abort_rlmm(
    c("The sums must be those of one model.", x = reason),
    "rlmm_error_sums"
  )
}

other_levels <- function(a, b) {
  differs <- \(name) !identical(a[[name]], b[[name]])
  name <- Filter(differs, union(names(a), names(b)))[1L]
  paste0(
    tick(name),
    " has other levels in one part than in another: make it a factor with all of them."
  )
}
