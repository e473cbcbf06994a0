#' Conditional modes of the random effects
#'
#' The modes (for a linear mixed model also the means) of the random effects given the data, at the
#' estimated parameters.
#'
#' The result also has the class of lme4, so that lme4's `dotplot()` and `qqmath()` draw it if lme4
#' is loaded.
#'
#' @param object A fitted model.
#' @param condVar Whether to attach the conditional covariance matrices as the attribute
#'   `"postVar"`. They need a fit with its data (not `slim = TRUE` in [rlmm_control()]); with the
#'   iterative engine they need a solve for each level and are only computed if `condVar = TRUE` is
#'   given. Where a generalized fit has run away to very large variances there may be none, with a
#'   warning.
#' @param drop Whether to return vectors instead of data frames for factors with one random effect
#'   per level.
#' @param whichel The names of the grouping factors to return.
#' @param postVar The old name of `condVar` in lme4.
#' @param uscale Whether to return the modes on the spherical scale, `u` with `b = Lambda u`,
#'   without conditional variances.
#' @param ... Not used.
#' @return A list of class `"ranef.mer"` with a data frame for each grouping factor, which has a row
#'   for each level and a column for each effect. With `condVar = TRUE` each has the attribute
#'   `"postVar"`: a k x k x l array, or if several terms share the factor, a list of such arrays,
#'   one for each term.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' modes <- ranef(fit)
#' head(modes$Subject)
#' head(as.data.frame(modes))
#' head(ranef(fit, uscale = TRUE)$Subject)
#' @importFrom nlme ranef
#' @export
ranef.rlmm <- function(
  object,
  condVar = has_spec(object) && !is_iterative(object),
  drop = FALSE,
  whichel = NULL,
  postVar = FALSE,
  uscale = FALSE,
  ...
) {
  refuse_dots(...)
  check_flag(condVar, "condVar")
  check_flag(drop, "drop")
  check_flag(uscale, "uscale")
  wanted <- check_groups(whichel, unique(term_groups(object)))
  tables <- mode_tables(object, wanted, if (uscale) object$u else object$b)
  if ((condVar || postVar) && !uscale) {
    tables <- tryCatch(
      with_variances(tables, object),
      rlmm_error_pirls = \(cnd) without_variances(tables)
    )
  }
  if (drop) {
    tables[] <- lapply(tables, drop_table)
  }
  structure(tables, class = c("ranef.rlmm", "ranef.mer"))
}

# The effects of the terms of each grouping factor, side by side.
mode_tables <- function(fit, wanted, modes) {
  groups <- term_groups(fit)
  tables <- lapply(wanted, \(group) bind_modes(modes[groups == group]))
  stats::setNames(tables, wanted)
}

# The modes alone, where those of a runaway fit can't be found again for their variances.
without_variances <- function(tables) {
  warn_rlmm(
    c(
      "The random effects have no conditional variances.",
      x = "At theta of the fit PIRLS doesn't find their modes again.",
      i = "Did the fit warn of separation or saturation, or isn't it an optimum?"
    ),
    "rlmm_warning_inestimable"
  )
  tables
}

with_variances <- function(tables, fit) {
  groups <- term_groups(fit)
  variances <- condVar.rlmm(fit)
  for (group in names(tables)) {
    own <- groups == group
    table <- tables[[group]]
    tables[[group]] <- attach_variances(table, variances[own], fit$random[own])
  }
  tables
}

bind_modes <- function(modes) {
  bound <- do.call(cbind, modes)
  column <- \(j) unname(bound[, j])
  columns <- lapply(seq_len(ncol(bound)), column)
  names(columns) <- colnames(bound)
  as_table(columns, rownames(modes[[1]]))
}

attach_variances <- function(table, variances, terms) {
  variances <- lapply(variances, unname)
  attr(table, "postVar") <- if (length(variances) == 1) {
    variances[[1]]
  } else {
    first_columns <- vapply(terms, \(term) term$columns[1], "")
    stats::setNames(variances, first_columns)
  }
  table
}

drop_table <- function(table) {
  if (ncol(table) > 1) {
    return(table)
  }
  post_var <- attr(table, "postVar")
  structure(
    stats::setNames(table[[1]], rownames(table)),
    postVar = if (!is.null(post_var)) drop(post_var)
  )
}

check_groups <- function(whichel, groups, arg = "whichel") {
  if (is.null(whichel)) {
    return(groups)
  }
  if (is.numeric(whichel)) {
    whichel <- labels_at(whichel, groups)
  }
  is_text <- is.character(whichel) || is.factor(whichel)
  unknown <- if (is_text) setdiff(whichel, groups)
  if (is_text && length(unknown) == 0L) {
    return(intersect(groups, whichel))
  }
  unknown <- enumerate(in_quotes(unknown))
  found <- if (is_text) cant_find(unknown) else it_is(whichel)
  abort_unknown_group(arg, found, groups)
}

cant_find <- function(names) sprintf("Can't find %s.", names)

abort_unknown_group <- function(arg, found, groups) {
  abort_rlmm(
    c(
      sprintf("`%s` must name grouping factors of the model.", arg),
      x = found,
      i = groups_of_model(groups)
    ),
    "rlmm_error_unknown_group"
  )
}

groups_of_model <- function(groups) {
  sprintf("The model has %s.", enumerate(in_quotes(groups)))
}

#' The grouping factor that `group` names, by default the first
#' @noRd
check_one_group <- function(group, groups) {
  found <- check_groups(group %||% groups[[1L]], groups, "group")
  if (length(found) == 1L) {
    return(found)
  }
  abort_argument(
    "`group` must name one grouping factor.",
    x = it_is(group),
    i = groups_of_model(groups),
    arg = "group"
  )
}

#' @rdname ranef.rlmm
#' @param x The result of `ranef()`.
#' @export
as.data.frame.ranef.rlmm <- function(x, ...) {
  warn_of_dots(..., also = data_frame_arguments)
  parts <- unname(Map(modes_table, names(x), lapply(x, undrop_table)))
  columns <- c("grpvar", "term", "grp", "condval", "condsd")
  if (is.null(parts[[1]]$condsd)) {
    columns <- setdiff(columns, "condsd")
  }
  out <- lapply(stats::setNames(nm = columns), join_column, parts = parts)
  as.data.frame(out, stringsAsFactors = FALSE)
}

join_column <- function(column, parts) {
  values <- lapply(parts, `[[`, column)
  if (is.factor(values[[1]])) {
    join_factors(values)
  } else {
    unlist(values, use.names = FALSE)
  }
}

undrop_table <- function(table) {
  if (is.data.frame(table)) {
    return(table)
  }
  post_var <- attr(table, "postVar")
  out <- as_table(list(`(Intercept)` = as.vector(table)), names(table))
  if (!is.null(post_var)) {
    attr(out, "postVar") <- array(post_var, c(1, 1, length(post_var)))
  }
  out
}

#' A table with a row for each level and effect; as in lme4, levels are ordered by the first effect,
#' as in a caterpillar plot
#' @noRd
modes_table <- function(group, table) {
  levels <- rownames(table)
  sorted <- levels[order(table[[1]])]
  list(
    grpvar = rep(group, length(levels) * length(table)),
    term = factor(
      rep(names(table), each = length(levels)),
      levels = unique(names(table))
    ),
    grp = factor(rep(levels, length(table)), levels = sorted),
    condval = unlist(table, use.names = FALSE),
    condsd = conditional_sd(attr(table, "postVar"))
  )
}

conditional_sd <- function(post_var) {
  if (is.null(post_var)) {
    return(NULL)
  }
  if (is.list(post_var)) {
    return(unlist(lapply(post_var, conditional_sd), use.names = FALSE))
  }
  of_level <- \(j) sqrt(post_var[j, j, ])
  unlist(lapply(seq_len(dim(post_var)[1]), of_level))
}

join_factors <- function(factors) {
  levels <- unique(unlist(lapply(factors, levels)))
  factor(unlist(lapply(factors, as.character)), levels = levels)
}

#' @export
print.ranef.rlmm <- function(x, ...) {
  print(lapply(x, plain_table), ...)
  has_none <- vapply(x, \(table) is.null(attr(table, "postVar")), NA)
  known <- names(x)[!has_none]
  if (length(known) > 0) {
    cat(
      "with conditional variances for",
      paste0('"', known, '"', collapse = " "),
      "\n"
    )
  }
  invisible(x)
}

plain_table <- function(table) {
  attr(table, "postVar") <- NULL
  table
}
