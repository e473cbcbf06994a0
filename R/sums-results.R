# Reads sums from the results of the statements in sums-sql.R.

#' Sums from the results of all statements
#' @param of For each result, the number of the element of [sums_wanted()] that it belongs to.
#' @noRd
sums_from_statements <- function(results, of, job) {
  parts <- row_names_of(job$expressions)
  wanted <- sums_wanted(parts)
  joined <- lapply(seq_along(wanted), \(i) {
    join_parts(unname(results[of == i]), wanted[[i]]$atoms)
  })
  sums_from_results(job$plan, job$expressions, job$centre, joined)
}

#' Sums from joined results
#' @param results A list of data frames, one for each element of [sums_wanted()].
#' @noRd
sums_from_results <- function(plan, expressions, centre, results) {
  parts <- row_names_of(expressions)
  all <- results[[1L]]
  check_totals(all, parts, plan)
  n_groups <- length(parts$z)
  groups <- lapply(seq_len(n_groups), \(g) {
    read_group(results[[1L + g]], parts, g, expressions)
  })
  pairs <- group_pairs(n_groups)
  labels <- lapply(groups, `[[`, "labels")
  of_pair <- \(pair, result) read_pair(result, parts, pair, labels)
  sums <- read_totals(all, parts, centre)
  sums$terms <- lapply(groups, `[[`, "sums")
  sums$pairs <- Map(of_pair, pairs, results[-seq_len(1L + n_groups)])
  sums["summed"] <- list(centre$summed)
  keys <- rlang::set_names(lapply(groups, `[[`, "keys"), names(parts$z))
  new_sums(plan, sums, keys, observation_count(all, parts))
}

# The number of observations, counting frequencies.
observation_count <- function(all, parts) {
  as.numeric(if (parts$frequency) all$total_w else all$n)
}

read_totals <- function(all, parts, centre) {
  has_log <- parts$weighted && !parts$frequency
  list(
    n_eff = if (has_log) {
      as.numeric(all$n_eff)
    } else {
      observation_count(all, parts)
    },
    sum_log_weights = if (has_log) all$log_w else 0,
    shift = centre$shift,
    beta0 = centre$beta0,
    xx = read_products(all, parts$indicates),
    xr = as.vector(block_of(all, "xr", length(parts$x))),
    rr = all$rr1,
    yy = all$yy1
  )
}

# X'X from the elements that were summed; the others are zero.
read_products <- function(all, indicates) {
  summed <- is_summed_product(indicates)
  xx <- matrix(0, nrow(summed), ncol(summed))
  xx[summed] <- block_of(all, "xx", sum(summed))
  below <- lower.tri(xx)
  xx[below] <- t(xx)[below]
  xx
}

#' Joins the results of one element that came in several statements, by their groups
#' @noRd
join_parts <- function(parts, atoms) {
  joined <- parts[[1L]]
  if (length(parts) == 1L) {
    return(joined)
  }
  labels <- labels_of(joined, atoms)
  for (part in parts[-1L]) {
    at <- if (length(atoms) > 0L) match(labels, labels_of(part, atoms)) else 1L
    joined <- cbind(joined, part[at, setdiff(names(part), atoms), drop = FALSE])
  }
  joined
}

# The columns prefix1, prefix2, ... of a result, as rows of a matrix.
block_of <- function(result, prefix, size) {
  names <- sprintf("%s%d", prefix, seq_len(size))
  found <- lapply(as.data.frame(result)[names], as.numeric)
  matrix(
    unlist(found),
    size,
    byrow = TRUE
  )
}

# Symmetric k x k blocks, one column for each row of a result, which has their upper triangles.
symmetric_block <- function(result, prefix, k) {
  triangle <- block_of(result, prefix, k * (k + 1L) / 2L)
  triangle[symmetric_places(k), , drop = FALSE]
}

labels_of <- function(result, atoms) key_labels(as.list(result)[atoms])

read_group <- function(result, parts, g, expressions) {
  result <- as.data.frame(result)
  keys <- result[parts$atoms[[g]]]
  names(keys) <- expressions$atoms[[g]]
  k <- length(parts$z[[g]])
  sums <- read_group_sums(result, length(parts$x), k)
  check_group_finite(sums, names(parts$z)[g])
  list(
    keys = keys,
    labels = labels_of(result, parts$atoms[[g]]),
    sums = sums
  )
}

read_group_sums <- function(result, p, k) {
  n_levels <- nrow(result)
  of <- \(prefix, dim) {
    array(block_of(result, prefix, prod(dim)), c(dim, n_levels))
  }
  zz <- array(symmetric_block(result, "zz", k), c(k, k, n_levels))
  list(
    zz = zz,
    xz = of("xz", c(p, k)),
    zr = of("zr", k)
  )
}

read_pair <- function(result, parts, pair, labels) {
  place <- function(g) {
    match(labels_of(result, parts$atoms[[pair[g]]]), labels[[pair[g]]])
  }
  dim <- lengths(parts$z[pair], use.names = FALSE)
  zz <- block_of(result, "zz", prod(dim))
  list(
    terms = pair,
    a = place(1L),
    b = place(2L),
    zz = array(zz, c(dim, nrow(result)))
  )
}

# Checks ----------------------------------------------------------------------

check_totals <- function(all, parts, plan) {
  if (nrow(all) != 1L || !isTRUE(all$n > 0)) {
    abort_rlmm(
      "The table must have a row without missing values.",
      "rlmm_error_no_rows"
    )
  }
  if (isTRUE(all$missing > 0)) {
    abort_still_missing_in_table(all)
  }
  if (parts$weighted) {
    check_total_weights(all, parts)
  }
  check_totals_finite(all, parts, plan)
}

abort_still_missing_in_table <- function(all) {
  abort_rlmm(
    c(
      "A variable of the formula is missing where the columns that it is made of aren't.",
      x = sprintf("In %s of %s rows.", all$missing, all$n),
      i = "Is it computed from values outside of its domain, such as `log(-1)`?"
    ),
    "rlmm_error_missing"
  )
}

check_total_weights <- function(all, parts) {
  if (isTRUE(all$negative > 0) || !is.finite(all$n_eff + all$log_w)) {
    abort_rlmm(
      "`weights` must be finite and not negative.",
      "rlmm_error_weights"
    )
  }
  if (all$n_eff == 0) {
    abort_rlmm("`weights` must not all be zero.", "rlmm_error_weights")
  }
  if (parts$frequency && isTRUE(all$broken > 0)) {
    abort_rlmm(
      c(
        "`weights` must be whole numbers with `weights_type = \"frequency\"`.",
        x = sprintf("In %s of %s rows they are not.", all$broken, all$n)
      ),
      "rlmm_error_weights"
    )
  }
}

check_totals_finite <- function(all, parts, plan) {
  squares <- diag(read_products(all, parts$indicates))
  columns <- plan$fixed$names[!is.finite(squares)]
  is_bad <- !is.finite(all$yy1) || length(columns) == 0L && !is.finite(all$rr1)
  response <- if (is_bad) deparse_one(plan$parsed$response)
  infinite <- c(response, columns)
  if (length(infinite) > 0L) {
    abort_infinite_in_table(enumerate(tick(infinite)), length(infinite))
  }
}

check_group_finite <- function(sums, group) {
  if (!all(is.finite(sums$zz))) {
    abort_infinite_in_table(paste("An effect by", tick(group)), 1L)
  }
}

abort_infinite_in_table <- function(what, n) {
  abort_rlmm(
    c(
      "The variables of `formula` must be finite.",
      x = paste(
        what,
        if (n == 1L) "is" else "are",
        "infinite, not a number, or too large to be squared, in some row of the table."
      )
    ),
    c("rlmm_error_non_finite", "rlmm_error_infinite")
  )
}
