# Hypotheses of types I, II and III about the fixed terms of a fit, as matrices of contrasts.

#' One matrix of contrasts for each fixed term
#'
#' With X'X = T'DT, T unit upper triangular, the rows of T that belong to a term are its type I
#' hypothesis, adjusted for all terms before it. For type II the columns are first reordered: terms
#' that don't contain this one, this one, and those that contain it. Type III is that of Goodnight
#' (1978): the estimable functions of the term and of those that contain it which are orthogonal to
#' the functions of the containing terms alone. With data in all cells these are the coefficients of
#' the term under sum-to-zero coding of all factors.
#'
#' Matrices with the same row space define the same hypothesis with the same F statistic, but
#' Satterthwaite's degrees of freedom for several rows depend slightly on the choice of rows. As in
#' lmerTest they are, for type II, the coefficients themselves of a term that no other contains, and
#' for type III, rows with ones and zeros in the coefficients of the term under treatment contrasts.
#' @return A list of matrices named by term, with a column for each coefficient of the fit.
#' @noRd
term_contrasts <- function(fit, type) {
  x <- if (is.null(fit$sums)) stats::model.matrix(fit)
  term <- fit$fixed$assign %||% attr(x, "assign")
  x <- if (!is.null(x)) x[rows_that_count(fit), , drop = FALSE]
  tested <- tested_terms(term)
  if (length(tested) == 0L) {
    return(list())
  }
  made <- switch(
    type,
    I = sequential_contrasts(triangular_columns(fit, x, tested), term, tested),
    II = partial_contrasts(
      fit,
      triangular_columns(fit, x, tested),
      term,
      tested
    ),
    III = marginal_contrasts(fit, x, term, tested)
  )
  stats::setNames(made, fixed_labels(fit)[tested])
}

# R with R'R = X'X, from X or from sums, which have X'WX instead. X'X has too few digits if columns
# are far from zero.
triangular_columns <- function(fit, x, tested) {
  if (is.null(x) && length(tested) > 1L) {
    inform_weighted_hypotheses(fit$sums)
  }
  products <- if (is.null(x)) uncentred_products(fit$sums) else crossprod(x)
  unit <- sqrt(diag(products))
  scaled <- products / outer(unit, unit)
  root <- if (is.null(x)) chol(scaled) else exact_root(scaled)
  if (is.null(root)) {
    qr.R(qr(x, tol = 0))
  } else {
    t(t(root) * unit)
  }
}

# Tells that the hypotheses of weighted sums aren't those of the rows; a frequency counts rows.
inform_weighted_hypotheses <- function(sums) {
  if (is.null(sums$arguments$weights) || sums$sum_log_weights == 0) {
    return(invisible())
  }
  inform_rlmm(
    c(
      "The hypotheses depend on the weights, as the sums have no products without them.",
      i = "A fit of the rows takes them from X without weights, as lmerTest does.",
      i = "Hypotheses of type III don't depend on weights."
    ),
    "rlmm_message_weighted"
  )
}

# The Cholesky factor of a matrix with a unit diagonal; `NULL` if it is too inaccurate.
exact_root <- function(scaled) {
  root <- tryCatch(chol(scaled), error = \(cnd) NULL)
  if (!is.null(root) && min(diag(root)) > 1e-4) root
}

# The number of the term of each column of X, 0 for the intercept.
column_terms_of <- function(fit) {
  fit$fixed$assign %||% attr(stats::model.matrix(fit), "assign")
}

tested_terms <- function(term) sort(unique(term[term > 0L]))

sequential_contrasts <- function(root, term, tested) {
  rows_by_term(root / diag(root), term, tested)
}

rows_by_term <- function(rows, term, tested) {
  lapply(tested, \(i) rows[which(term == i), , drop = FALSE])
}

partial_contrasts <- function(fit, root, term, tested) {
  lapply(tested, \(i) {
    containing <- containing_terms(fit, term, i)
    if (length(containing) == 0L) {
      return(own_coefficients(term, i))
    }
    rank <- ifelse(term == i, 1L, ifelse(term %in% containing, 2L, 0L))
    by_rank <- order(rank)
    ordered <- qr.R(qr(root[, by_rank, drop = FALSE], tol = 0))
    rows <- ordered / diag(ordered)
    rows[, by_rank] <- rows
    rows[rank[by_rank] == 1L, , drop = FALSE]
  })
}

own_coefficients <- function(term, tested) {
  diag(length(term))[term == tested, , drop = FALSE]
}

# The terms that contain the tested one.
containing_terms <- function(fit, term, tested) {
  contains <- \(other) contains_term(fit, other, tested)
  which(vapply(seq_len(max(term)), contains, NA))
}

#' Whether a term contains another one: it has all of its variables, the same covariates, and more
#' factors
#' @noRd
contains_term <- function(fit, larger, smaller) {
  if (larger == smaller) {
    return(FALSE)
  }
  terms <- fit$fixed$terms
  variables <- attr(terms, "factors") > 0
  is_factor <- is_category_class(variable_classes(rownames(variables), terms))
  inside <- variables[, smaller]
  outside <- variables[, larger]
  more <- outside & !inside
  all(outside[inside]) && any(more) && all(is_factor[more])
}

#' The hypotheses of type III
#'
#' A function of the coefficients of all indicators of all factors is estimable if it is a
#' combination a'R of the rows of R in the QR decomposition of these indicators; in terms of the
#' columns X it is a'Q'X. If all coefficients are estimable no decomposition is needed.
#' @noRd
marginal_contrasts <- function(fit, x, term, tested) {
  codings <- full_codings(fit)
  if (!is.null(codings)) {
    return(lapply(tested, \(i) balanced_contrasts(fit, term, i, codings)))
  }
  names <- colnames(x)
  frame <- if (is.null(x)) synthetic_frame(fit) else frame_of_codings(fit)
  x <- coded_as_fitted(fit, frame)
  x <- x[, names %||% colnames(x), drop = FALSE]
  indicators <- coded_by(fit, frame, all_indicators)
  inform_empty_cells(indicators)
  basis <- estimable_basis(indicators, x)
  treatment <- treatment_coding(fit, frame, x)
  lapply(tested, \(i) {
    terms <- containing_terms(fit, term, i)
    if (length(terms) == 0L && !has_category(fit, i)) {
      return(own_coefficients(term, i))
    }
    own <- basis$term == i
    rows <- goodnight_rows(basis, own, basis$term %in% terms)
    without_rounding(ones_by_treatment(rows, treatment, i))
  })
}

#' The contrast matrix of each category of the fixed part, with a row for each level
#'
#' `NULL` if type III hypotheses depend on the data: columns were dropped, contrasts don't span all
#' differences of levels, or indicators code a factor because a marginal term is missing.
#' @noRd
full_codings <- function(fit) {
  terms <- fit$fixed$terms
  is_complete <- length(fit$fixed$dropped) == 0L &&
    attr(terms, "intercept") == 1L &&
    !any(attr(terms, "factors") == 2L)
  if (!is_complete) {
    return(NULL)
  }
  categories <- rlang::set_names(names(fit$fixed$contrasts) %||% character())
  codings <- lapply(categories, coding_of_levels, fit = fit)
  is_full <- vapply(codings, \(coding) ncol(coding) == nrow(coding) - 1L, NA)
  if (all(is_full)) codings
}

# The contrast matrix of one category in the fit.
coding_of_levels <- function(category, fit) {
  levels <- fit$fixed$xlevels[[category]]
  each <- if (is.null(levels)) c(FALSE, TRUE) else factor(levels, levels)
  coded <- stats::model.matrix(
    ~each,
    list(each = each),
    contrasts.arg = list(each = fit$fixed$contrasts[[category]])
  )
  unname(coded[, -1L, drop = FALSE])
}

#' The type III hypothesis of a term whose coefficients are all estimable
#'
#' The hypothesis compares the levels of the term's factors with the first one, averaged with equal
#' weights over the levels of all other factors: in the columns of a term that contains this one, it
#' is the Kronecker product of differences and means of contrasts.
#' @noRd
balanced_contrasts <- function(fit, term, tested, codings) {
  terms <- fit$fixed$terms
  variables <- attr(terms, "factors") > 0
  names <- rownames(variables)
  classes <- variable_classes(names, terms)
  coded <- \(name, class, is_own) {
    coding <- codings[[name]]
    if (is.null(coding)) {
      diag(columns_of_class(class))
    } else if (is_own) {
      sweep(coding[-1L, , drop = FALSE], 2L, coding[1L, ])
    } else {
      t(colMeans(coding))
    }
  }
  parts <- Map(coded, unquoted(names), classes, variables[, tested])
  # The columns of the first variable vary fastest.
  beside <- \(a, b) kronecker(b, a)
  block <- \(i) Reduce(beside, parts[variables[, i]])
  rows <- matrix(0, nrow(block(tested)), length(term))
  for (i in c(tested, containing_terms(fit, term, tested))) {
    rows[, term == i] <- block(i)
  }
  without_rounding(rows)
}

# Whether a term of the fixed part has columns that depend on the coding of a category.
has_category <- function(fit, term) {
  terms <- fit$fixed$terms
  variables <- term_variables(fixed_labels(fit)[term], terms)
  any(is_category_class(variable_classes(variables, terms)))
}

# A frame for the relation between two codings, which doesn't depend on the origin of a covariate
# unless columns are missing.
frame_of_codings <- function(fit) {
  frame <- fit_frame(fit)
  terms <- attr(frame, "terms")
  frame <- frame[rows_that_count(fit), , drop = FALSE]
  attr(frame, "terms") <- terms
  if (length(fit$fixed$dropped) > 0L) {
    return(frame)
  }
  frame_near_zero(stats::delete.response(fit$fixed$terms), frame)
}

inform_empty_cells <- function(indicators) {
  empty <- colSums(indicators != 0) == 0
  if (any(empty)) {
    inform_rlmm(
      c(
        paste0(
          "No data for ",
          enumerate(tick(colnames(indicators)[empty])),
          "."
        ),
        i = "Hypotheses of type III depend on which cells are empty."
      ),
      "rlmm_message_empty_cells"
    )
  }
}

#' A basis of the estimable functions of the coefficients of indicators
#' @return A list: `rows`, R; `columns`, Q'X; and `term`, the term of each column of R.
#' @noRd
estimable_basis <- function(indicators, x) {
  decomposition <- qr(indicators)
  kept <- seq_len(decomposition$rank)
  rows <- qr.R(decomposition)[kept, , drop = FALSE]
  list(
    rows = rows[, order(decomposition$pivot), drop = FALSE],
    columns = qr.qty(decomposition, x)[kept, , drop = FALSE],
    term = attr(indicators, "assign")
  )
}

goodnight_rows <- function(basis, own, containing) {
  involved <- own | containing
  without <- \(columns) orthogonal_to(t(basis$rows[, columns, drop = FALSE]))
  about_both <- without(!involved)
  about_containing <- without(!containing)
  products <- tcrossprod(basis$rows)
  overlap <- t(about_containing) %*% products %*% about_both
  crossprod(about_both %*% orthogonal_to(overlap), basis$columns)
}

#' The linear map from the coefficients of the fit to those under treatment contrasts
#' @return A list: `change`, the matrix of the map, and `term`, the term of each of its rows; `NULL`
#'   if the two column spaces differ.
#' @return A list: `change`, the matrix that takes the fit's coefficients to the others, and `term`,
#'   the term of each of its rows; or `NULL` where the two spaces differ.
#' @noRd
treatment_coding <- function(fit, frame, x) {
  coded <- coded_by(fit, frame, stats::contr.treatment)
  decomposition <- qr(coded)
  if (!spans_same_space(decomposition, x)) {
    return(NULL)
  }
  kept <- decomposition$pivot[seq_len(decomposition$rank)]
  list(
    change = qr.coef(decomposition, x)[kept, , drop = FALSE],
    term = attr(coded, "assign")[kept]
  )
}

#' The rows of a hypothesis transformed to ones and zeros in the term's own coefficients under
#' treatment contrasts, if possible
#' @noRd
ones_by_treatment <- function(rows, treatment, tested) {
  if (is.null(treatment)) {
    return(rows)
  }
  by_treatment <- rows %*% solve(treatment$change)
  pivots <- by_treatment[, treatment$term == tested, drop = FALSE]
  is_square <- nrow(pivots) == ncol(pivots)
  if (is_square && rcond(pivots) > 1e-8) solve(pivots, rows) else rows
}

spans_same_space <- function(decomposition, x) {
  decomposition$rank == ncol(x) &&
    max(abs(qr.resid(decomposition, x))) < 1e-8 * max(abs(x))
}

# The model matrix of a frame with the contrasts of the fit.
coded_as_fitted <- function(fit, frame) {
  terms <- stats::delete.response(fit$fixed$terms)
  stats::model.matrix(terms, frame, contrasts.arg = fit$fixed$contrasts)
}

# Sets rounding errors to zero, so that held coefficients have no part in the tests of others.
without_rounding <- function(rows) {
  size <- apply(abs(rows), 1L, max)
  rows[abs(rows) < 1e-10 * size] <- 0
  rows
}

#' The model matrix X with the same type of coding for all factors
#' @param coding A function of the levels of a factor that returns its contrasts.
#' @noRd
coded_by <- function(fit, frame, coding) {
  levels <- lapply(frame[names(fit$fixed$contrasts)], level_names)
  stats::model.matrix(
    stats::delete.response(fit$fixed$terms),
    frame,
    contrasts.arg = if (length(levels)) lapply(levels, coding)
  )
}

level_names <- function(values) levels(as.factor(values))

all_indicators <- function(levels) {
  stats::contr.treatment(levels, contrasts = FALSE)
}

#' X'WX of the uncentred columns, from sums of centred ones
#' @noRd
uncentred_products <- function(sums) {
  recentre(sums, numeric(length(sums$shift)), sums$beta0)$xx
}

#' A model frame of the fixed part with all combinations of its factors and unrelated values of its
#' covariates: the relation between two codings of the factors is the same in any data
#' @noRd
synthetic_frame <- function(fit) {
  if (length(fit$fixed$dropped) > 0L) {
    abort_no_rows("A test of type III with dropped columns", NULL)
  }
  terms <- stats::delete.response(fit$fixed$terms)
  classes <- attr(terms, "dataClasses")[variable_names(terms)]
  grid <- all_combinations(fit, classes)
  copies <- 10L + length(fit$fixed$names)
  n <- max(nrow(grid), 1L) * copies
  frame <- Map(synthetic_covariates, n, seq_along(classes), classes)
  names(frame) <- names(classes)
  frame[names(grid)] <- lapply(grid, rep, copies)
  structure(
    frame,
    class = "data.frame",
    row.names = seq_len(n),
    terms = terms
  )
}

# All combinations of levels of the factors and of logical values; `classes` are those of the
# variables.
all_combinations <- function(fit, classes) {
  levels <- lapply(rlang::set_names(names(classes)), \(name) {
    is_logical <- classes[name] == "logical"
    if (is_logical) {
      c(FALSE, TRUE)
    } else {
      fit$fixed$xlevels[[name]]
    }
  })
  expand.grid(levels[lengths(levels) > 0L], stringsAsFactors = TRUE)
}

# Tables ------------------------------------------------------------------

#' The table of one fit: F tests for a linear model, Wald chi-squared tests for a generalized one
#' @noRd
term_tests <- function(fit, type, tests) UseMethod("term_tests")

#' @export
term_tests.rlmm_lmm <- function(fit, type, tests) {
  contrasts <- term_contrasts(fit, type)
  at <- independent_tests(fit, tests)
  rows <- lapply(contrasts, \(L) f_test(fit, L, numeric(nrow(L)), tests, at))
  method <- ddf_label(tests$ddf)
  heading <- paste0("Type ", type, " analysis of variance with ", method)
  empty <- f_table(numeric(), integer(), numeric(), numeric())
  table <- anova_table(rows, empty, c(heading, tests$note))
  with_hypotheses(table, contrasts, fit, type)
}

#' @export
term_tests.rlmm_glmm <- function(fit, type, tests) {
  contrasts <- term_contrasts(fit, type)
  rows <- lapply(contrasts, \(L) wald_test(fit, L, tests))
  method <- " analysis of deviance with Wald chi-squared tests"
  heading <- paste0("Type ", type, method)
  empty <- chisq_table(numeric(), integer())
  table <- anova_table(rows, empty, c(heading, tests$note))
  with_hypotheses(table, contrasts, fit, type)
}

#' Adds the hypotheses to a table, for `lmerTest::show_tests()`, and its type, for package
#' parameters
#' @noRd
with_hypotheses <- function(table, contrasts, fit, type) {
  term <- column_terms_of(fit)
  terms <- fixed_labels(fit)
  tested <- names(contrasts) %||% character()
  shown <- lapply(rlang::set_names(tested), \(name) {
    own <- term == match(name, terms)
    shown_hypothesis(contrasts[[name]], own, names(fit$beta))
  })
  structure(table, hypotheses = shown, type = type)
}

shown_hypothesis <- function(L, own, labels) {
  L <- without_rounding(L)
  dimnames(L) <- list(if (nrow(L) == sum(own)) labels[own], labels)
  L
}

wald_test <- function(fit, L, tests) {
  rows <- independent_rows(L, numeric(nrow(L)), tests)$L
  q <- NROW(rows)
  if (q == 0L) {
    return(chisq_table(0, 0L))
  }
  f <- wald_f(rows, drop(rows %*% fit$beta), tests$covariance)
  chisq_table(q * f, q)
}

chisq_table <- function(chisq, df) {
  data.frame(
    Chisq = chisq,
    Df = df,
    `Pr(>Chisq)` = stats::pchisq(chisq, df, lower.tail = FALSE),
    check.names = FALSE
  )
}

anova_table <- function(tests, empty, heading) {
  as_anova(if (length(tests)) do.call(rbind, tests) else empty, heading)
}

# The package's own class comes before "anova", for the knitr method.
as_anova <- function(table, heading = NULL) {
  structure(
    table,
    heading = heading,
    class = c("rlmm_anova", "anova", "data.frame")
  )
}

read_type <- function(type) {
  roman <- c("I", "II", "III")
  if (
    rlang::is_scalar_atomic(type) && as.character(type) %in% c("1", "2", "3")
  ) {
    return(roman[as.integer(type)])
  }
  one_of(type, roman, "type")
}
