# The fit: new_fit() is the one place that knows its fields (ARCHITECTURE.md lists them); fit_spec() is the way back
# from a fit to what Rust needs.

#' @param design What [model_design()] returns.
#' @param est What [core_fit()] returns.
#' @noRd
new_fit <- function(design, est, call, control) {
  slim <- control$slim
  fit <- list(
    call = call,
    formula = design$formula,
    frame = if (!slim) design$frame,
    fixed = design$fixed,
    random = with_scales(design$random, est$scales),
    reml = design$spec$reml,
    known_sigma = !is.null(design$spec$sigma),
    theta = est$theta,
    beta = with_held(est$beta, design$fixed),
    sigma = est$sigma,
    u = by_term(est$u, design$random),
    b = by_term(est$b, design$random),
    rx = est$rx,
    dev = est[c(
      "objective",
      "log_det_re",
      "log_det_fe",
      "pwrss",
      "wrss",
      "ussq",
      "n_eff"
    )],
    fitted = if (!slim) est$fitted,
    optsum = new_optsum(est$optsum, design$random),
    na_action = attr(design$frame, "na.action"),
    control = control,
    schema = 1L,
    version = own_version()
  )
  structure(fit, class = c("rlmm_lmm", "rlmm"))
}

# All coefficients in the order of X.
with_held <- function(beta, fixed) {
  names <- fixed$names
  if (length(fixed$held) > 0L) {
    free <- !names %in% names(fixed$held)
    beta <- replace(
      replace(numeric(length(names)), free, beta),
      match(names(fixed$held), names),
      fixed$held
    )
  }
  rlang::set_names(beta, names)
}

# Of each term the (weighted) root mean square of its columns of Z; `scales` are those of the core terms.
with_scales <- function(random, scales) {
  lapply(random, \(entry) {
    entry$scale <- if (is.null(scales)) {
      rep(1, length(entry$columns))
    } else {
      scales[[entry$core_term]][entry$core_cols]
    }
    entry
  })
}

own_version <- function() {
  if (isNamespaceLoaded("rlmm")) getNamespaceInfo("rlmm", "spec")[["version"]]
}

#' Core terms' random effects as one matrix (levels, columns) per entry of `random`
#' @noRd
by_term <- function(effects, random) {
  lapply(random, function(entry) {
    b <- effects[[entry$core_term]]
    if (nrow(b) > length(entry$core_cols)) {
      b <- b[entry$core_cols, , drop = FALSE]
    }
    b <- t(b)
    dimnames(b) <- list(entry$levels, entry$columns)
    b
  })
}

#' The spec of a fit, from its stored frame
#' @param y A new response, or `NULL` for the one of the fit.
#' @noRd
fit_spec <- function(fit, y = NULL) {
  if (is_glmm(fit)) {
    return(glmm_fit_spec(fit))
  }
  frame <- fit_frame(fit)
  sigma <- if (fit$known_sigma) fit$sigma
  design_spec(
    frame,
    fixed_columns(fit),
    y %||% response(frame),
    fit_terms(fit),
    fit$reml,
    sigma,
    fit$fixed$held
  )
}

#' The same with sigma as it was fitted, where it isn't profiled out
#' @noRd
fitted_spec <- function(fit) {
  spec <- fit_spec(fit)
  if (has_free_scale(fit)) {
    spec$sigma <- fit$sigma
  }
  spec
}

#' What [model_design()] returned, from the fit
#' @noRd
fit_design <- function(fit) {
  c(
    fit[c("formula", "fixed", "random", "family")],
    list(frame = fit_frame(fit), spec = fit_spec(fit))
  )
}

fit_terms <- function(fit) {
  random <- fit$random
  frame <- fit_frame(fit)
  groups <- lapply(random, function(entry) {
    group_codes(entry$group_vars, frame, entry$group)
  })
  names(groups) <- vapply(random, `[[`, "", "group")
  core_terms(
    random,
    lapply(random, effects_columns, new = new_data(fit, NULL)),
    groups
  )
}

fit_frame <- function(fit) {
  if (!is.null(fit$frame)) {
    return(fit$frame)
  }
  abort_rlmm(
    c(
      "The fit doesn't hold its data.",
      i = "It was made with `rlmm_control(slim = TRUE)`; fit without it."
    ),
    "rlmm_error_slim"
  )
}

#' @param held Coefficients that are held: their columns of X become part of the offset.
#' @noRd
design_spec <- function(frame, x, y, terms, reml, sigma, held = NULL) {
  weights <- frame[["(weights)"]]
  offset <- total_offset(frame)
  if (length(held) > 0L) {
    names <- column_names(x)
    held_columns <- select_columns(x, match(names(held), names))
    offset <- (offset %||% 0) +
      as.double(column_matrix(held_columns, nrow(frame)) %*% held)
    x <- select_columns(x, which(!names %in% names(held)))
  }
  list(
    x = x,
    y = y,
    weights = if (!is.null(weights)) as.double(weights),
    offset = offset,
    terms = terms,
    reml = reml,
    sigma = sigma
  )
}

# `offset()` in the formula and the argument add up.
total_offset <- function(frame) {
  offset <- frame[["(offset)"]]
  for (i in attr(attr(frame, "terms"), "offset")) {
    if (!is.numeric(frame[[i]]) || NCOL(frame[[i]]) != 1L) {
      abort_offset(names(frame)[i], frame[[i]])
    }
    offset <- (offset %||% 0) + frame[[i]]
  }
  if (!is.null(offset)) as.double(offset)
}

abort_offset <- function(name, x) {
  abort_rlmm(
    c(
      paste0(tick(name), " must be numeric."),
      x = paste0("It is ", describe_type(x), ".")
    ),
    "rlmm_error_offset"
  )
}
