# Sums of submodels: a model with fewer terms needs only a part of the sums of a fit.

#' The sums of a model whose columns are among those of a fit of sums
#' @return An object as from [rlmm_sums()], with the levels in the order of the fit and without
#'   keys; `NULL` if the formula needs columns that were not summed.
#' @noRd
submodel_sums <- function(fit, formula) {
  frame <- fit$sums$template
  if (!is_summed_formula(formula, frame)) {
    return(NULL)
  }
  apart <- summed_terms_in(formula, fit)
  parsed <- parse_formula(apart$inner %||% formula, frame)
  fixed <- fixed_of_template(parsed, frame, fit)
  random <- random_of_template(parsed, frame, formula_env(formula))
  keep <- match(fixed$names, fit$fixed$names)
  all <- c(fit$random, summed_factor_terms(fit))
  columns <- columns_of_groups(random, all)
  if (anyNA(keep) || anyNA(unlist(columns))) {
    return(NULL)
  }
  sums <- keep_columns(fit$sums, keep)
  new_submodel_sums(
    list(
      formula = formula,
      parsed = parsed,
      fixed = fixed,
      random = random,
      apart = if (!is.null(apart)) apart[c("labels", "group")],
      template = frame
    ),
    keep_groups(sums, columns, groups_of(all)),
    fit
  )
}

# The terms of the large factor of a fit of sums in a formula, as find_summed_terms() returns them.
summed_terms_in <- function(formula, fit) {
  large <- fit$fixed$large
  if (is.null(large)) {
    return(NULL)
  }
  frame <- fit$sums$template
  parsed <- parse_formula(formula, frame)
  is_own <- \(name) name == unquoted(summed_group(large))
  # The fit has treatment contrasts of these variables, whatever the option says by now.
  rlang::local_options(contrasts = c("contr.treatment", "contr.poly"))
  is_other <- \(contrasts) !identical(contrasts, "contr.treatment")
  contrasts <- Filter(is_other, fit$fixed$contrasts)
  summed_terms_in_frame(formula, parsed, frame, frame, contrasts, is_own)
}

# The name of the factor by whose levels the rows of a fit were summed.
summed_group <- function(large) names(large$factors[[1L]]$xlevels)

# The large factor of a fit of sums as a further grouping factor.
summed_factor_terms <- function(fit) {
  large <- fit$fixed$large
  if (is.null(large)) {
    return(NULL)
  }
  columns <- each_large(large, "margin")
  list(list(
    group = unquoted(summed_group(large)),
    levels = large$factors[[1L]]$levels,
    columns = columns,
    core_cols = seq_along(columns)
  ))
}

# A root R of X'X = R'R, which replaces X where only cross-products matter.
root_of_products <- function(fit) {
  products <- uncentred_products(fit$sums)
  unit <- sqrt(diag(products))
  chol(products / tcrossprod(unit)) * rep(unit, each = length(unit))
}

#' The numbers of the columns of X in the model without one term
#' @noRd
columns_without_term <- function(fit, label) {
  change <- rlang::new_formula(NULL, call("-", quote(.), str2lang(label)))
  fixed_only <- stats::formula(fit, fixed.only = TRUE)
  smaller <- stats::update.formula(fixed_only, change)
  parsed <- list(response = smaller[[2L]], fixed = smaller[[3L]])
  names <- fixed_of_template(parsed, fit$sums$template, fit)$names
  keep <- match(names, fit$fixed$names)
  if (anyNA(keep)) {
    abort_no_rows(
      sprintf("A test of %s beside its interactions", tick(label)),
      NULL
    )
  }
  keep
}

new_submodel_sums <- function(plan, sums, fit) {
  all <- c(fit$random, summed_factor_terms(fit))
  levels <- lapply(all, `[[`, "levels")
  names(levels) <- vapply(all, `[[`, "", "group")
  structure(
    list(
      plan = plan,
      sums = sums,
      levels = levels,
      n = fit$sums$n
    ),
    class = "rlmm_sums"
  )
}

# Whether a formula has the response of a frame and only variables in it.
is_summed_formula <- function(formula, frame) {
  if (is.null(frame)) {
    return(FALSE)
  }
  is_same <- deparse_one(formula[[2L]]) == names(frame)[1L]
  variables <- vapply(formula_variables(formula), deparse_one, "")
  is_same && all(variables %in% names(frame))
}

fixed_of_template <- function(parsed, frame, fit) {
  contrasts <- fit$fixed$contrasts
  contrasts <- contrasts[names(contrasts) %in% all.vars(parsed$fixed)]
  env <- environment(fit$formula)
  control <- rlmm_control(check_rankx = "ignore")
  fixed <- fixed_design(parsed, frame, env, frame, contrasts, control)$fixed
  fixed$assign <- column_terms(fixed, frame)
  fixed
}

random_of_template <- function(parsed, frame, env) {
  terms <- lapply(parsed$bars, bar_terms, frame, env, frame)
  place_terms(lapply(unlist(terms, recursive = FALSE), `[[`, "term"))
}

groups_of <- function(random) unique(vapply(random, `[[`, "", "group"))

#' The positions of the columns of each grouping factor among those of a fit
#' @return A list of integer vectors named by grouping factor; `NA` where the fit has no such
#'   column.
#' @noRd
columns_of_groups <- function(random, of_fit) {
  place <- function(group) {
    is_own <- \(term) term$group == group
    own <- Filter(is_own, of_fit)
    known <- unlist(lapply(own, `[[`, "columns"))
    places <- unlist(lapply(own, `[[`, "core_cols"))
    wanted <- unlist(lapply(Filter(is_own, random), `[[`, "columns"))
    if (is.null(known)) NA else places[match(wanted, known)]
  }
  lapply(rlang::set_names(groups_of(random)), place)
}

#' Sums with some of the columns of X; the part of the response that the other columns explained is
#' added back
#' @noRd
keep_columns <- function(sums, keep) {
  shift <- sums$shift
  # Columns are centred with multiples of the first column, which must be kept for that.
  if (!identical(keep[1L], 1L)) {
    shift <- numeric(length(shift))
  }
  is_left <- !seq_along(shift) %in% keep
  sums <- reshift(sums, shift)
  sums <- recentre(sums, shift, replace(sums$beta0, is_left, 0))
  for (name in c("shift", "beta0", "xr")) {
    sums[[name]] <- sums[[name]][keep]
  }
  sums$xx <- sums$xx[keep, keep, drop = FALSE]
  sums$terms <- lapply(sums$terms, \(term) {
    term$xz <- term$xz[keep, , , drop = FALSE]
    term
  })
  sums
}

#' Sums with some of the grouping factors, and with some of their columns
#' @param columns The result of [columns_of_groups()].
#' @param groups The grouping factors of the sums, in their order.
#' @noRd
keep_groups <- function(sums, columns, groups) {
  order <- match(names(columns), groups)
  all <- lapply(sums$terms, \(term) seq_len(dim(term$zz)[1L]))
  sums <- sums_without_columns(sums, replace(all, order, columns))
  is_kept <- \(pair) all(pair$terms %in% order)
  move <- \(pair) select_pair_columns(pair, order, columns)
  sums$pairs <- lapply(Filter(is_kept, sums$pairs), move)
  sums$terms <- Map(
    select_term_columns,
    unname(sums$terms)[order],
    unname(columns)
  )
  sums["summed"] <- list(select_summed(sums$summed, order, unname(columns)))
  sums
}
