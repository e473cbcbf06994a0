# Simulates responses of a generalized model from its family, in the form of the fit's response.

#' @export
simulated_responses.rlmm_glmm <- function(fit, eta, sigma, plan) {
  weights <- plan$weights %||% rep(1, plan$new$n)
  mu <- array(means_at(fit$family, eta), dim(eta))
  y <- array(draw_family(mu, weights, sigma, fit$glmm), dim(eta))
  observed <- fit$frame[[1]]
  columns <- lapply(seq_len(ncol(y)), \(j) {
    shaped <- shape_response(y[, j], observed, weights)
    simulated_rows(shaped, fit, plan)
  })
  simulation_table(columns)
}

# A data frame whose columns may be matrices.
simulation_table <- function(columns) {
  names(columns) <- paste0("sim_", seq_along(columns))
  first <- columns[[1]]
  rows <- if (is.matrix(first)) rownames(first) else names(first)
  structure(
    lapply(columns, without_row_names),
    class = "data.frame",
    row.names = rows
  )
}

#' Simulates from the family, proportions for the binomial; mu, weights and the result vary along
#' rows first
#' @noRd
draw_family <- function(mu, weights, sigma, glmm) {
  # The simulated value of an observation with weight 0 doesn't matter, but must be finite.
  dispersion <- sigma^2 / ifelse(weights == 0, 1, weights)
  draw <- family_row(glmm$family)$draw
  drawn <- suppressWarnings(draw(mu, weights, dispersion, glmm$shape))
  is_lacking <- is.na(drawn) & !is.na(mu)
  warn_not_drawn(mu[is_lacking], length(mu), glmm)
  drawn
}

# Warns about means out of the range of the family, which some links allow.
warn_not_drawn <- function(mu, n, glmm) {
  if (length(mu) == 0L) {
    return(invisible())
  }
  warn_rlmm(
    c(
      "Some responses can't be drawn, and are missing: the family has no such mean.",
      x = sprintf(
        "%s of %s means are outside of its range, such as %s.",
        format_count(length(mu)),
        format_count(n),
        signif(mu[which.max(abs(mu))], 3L)
      ),
      i = sprintf("The link `%s` doesn't keep means within it.", glmm$link)
    ),
    "rlmm_warning_simulate"
  )
}

shape_response <- function(y, observed, weights) {
  if (is.matrix(observed)) {
    out <- cbind(round(y * weights), round(weights - y * weights))
    dimnames(out) <- list(NULL, colnames(observed))
    return(out)
  }
  if (is.factor(observed)) {
    return(factor(levels(observed)[1 + y], levels(observed)))
  }
  if (is.logical(observed)) y > 0 else y
}

simulated_rows <- function(x, fit, plan) {
  if (is.matrix(x)) {
    rownames(x) <- plan$new$row_names
  } else {
    names(x) <- plan$new$row_names
  }
  if (!plan$new$stored) {
    return(drop_missing(x, plan$na_action))
  }
  if (is.factor(x)) {
    padded_factor(fit, x)
  } else {
    stats::napredict(fit$na_action, x)
  }
}

without_row_names <- function(x) {
  if (is.matrix(x)) {
    rownames(x) <- NULL
  } else {
    names(x) <- NULL
  }
  x
}

padded_factor <- function(fit, x) {
  codes <- stats::napredict(fit$na_action, with_names(as.integer(x), names(x)))
  structure(
    codes,
    levels = levels(x),
    class = "factor"
  )
}
