# The hypotheses of types I, II and III about the fixed terms of a fit, as matrices of contrasts.

#' One matrix of contrasts per fixed term
#'
#' With X'X = T'DT, T upper triangular with a diagonal of ones, the rows of T that belong to a term
#' are its hypothesis after all terms before it (type I). Type II takes it with the columns in the
#' order: terms that don't contain this one, this one, those that contain it. Type III is
#' Goodnight's (1978): of all estimable combinations of the term and of those that contain it, the
#' ones that are orthogonal to what only these contain. With data in all cells these are the
#' coefficients of the term when all factors are coded to sum to zero.
#'
#' Matrices with the same row space are the same hypothesis and have the same F, but Satterthwaite's
#' degrees of freedom of several rows depend a little on which of them it is. The rows are those of
#' lmerTest, therefore: the coefficients themselves of a term that no other contains (type II), and
#' of type III those that are ones and zeros in the coefficients of the term by treatment contrasts.
#' @return A list of matrices, named by term; a column per coefficient of the fit.
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
    I = sequential_contrasts(triangular_columns(fit, x), term, tested),
    II = partial_contrasts(fit, triangular_columns(fit, x), term, tested),
    III = marginal_contrasts(fit, x, term, tested)
  )
  stats::setNames(made, fixed_labels(fit)[tested])
}

# R with R'R = X'X, of the matrix or of the sums. The products hold too few digits of columns that
# are far from zero.
triangular_columns <- function(fit, x) {
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

# The Cholesky factor of a matrix with ones on its diagonal; `NULL` where rounding shows in it.
exact_root <- function(scaled) {
  root <- tryCatch(chol(scaled), error = \(cnd) NULL)
  if (!is.null(root) && min(diag(root)) > 1e-4) root
}

# The term that each column of X belongs to: 0 for the intercept.
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

#' Whether a term contains another: all its variables, the same covariates, and more factors
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
#' Combinations of the coefficients of all indicators of all factors are estimable if they are
#' combinations a'R of the rows of R, of the QR decomposition of these indicators; a'Q'X are the
#' same ones in terms of the columns X. Where all coefficients can be told nothing is decomposed.
#' @noRd
marginal_contrasts <- function(fit, x, term, tested) {
  codings <- full_codings(fit)
  if (!is.null(codings)) {
    return(lapply(tested, \(i) balanced_contrasts(fit, term, i, codings)))
  }
  names <- colnames(x)
  frame <- if (is.null(x)) invented_frame(fit) else frame_of_codings(fit)
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

#' The contrasts of each category of the fixed part, a row for each level
#'
#' `NULL` where hypotheses of type III depend on the data: columns were dropped, contrasts are
#' fewer than they might be, or indicators stand for levels as no term without the factor is there.
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

# The contrasts of one category as the fit has them.
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

#' The hypothesis of a term of which all coefficients can be told
#'
#' By how much levels of its factors differ from the first one, on the average over the levels of
#' all other factors, each counted once: of the columns of a term that contains this one the
#' Kronecker product of differences and means of contrasts.
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

# Whether a term of the fixed part has columns that depend on how a category is coded.
has_category <- function(fit, term) {
  terms <- fit$fixed$terms
  variables <- term_variables(fixed_labels(fit)[term], terms)
  any(is_category_class(variable_classes(variables, terms)))
}

# How two codings of the factors depend on each other is the same for any origin of a covariate,
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

#' How the coefficients by treatment contrasts depend on those of the fit
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

#' The rows of a hypothesis that are ones and zeros in the term's own coefficients by treatment
#' contrasts, where there are such
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

# Zero where rounding made a small number of it: a coefficient that is held has
# no part in the tests of others then.
without_rounding <- function(rows) {
  size <- apply(abs(rows), 1L, max)
  rows[abs(rows) < 1e-10 * size] <- 0
  rows
}

#' The fixed model matrix with all factors coded in one way
#' @param coding The contrasts of a factor, by the names of its levels.
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

#' X'WX of the columns as they are, from sums of centred ones
#' @noRd
uncentred_products <- function(sums) {
  recentre(sums, numeric(length(sums$shift)), sums$beta0)$xx
}

#' A model frame of the fixed part with all combinations of its factors, and numbers that have
#' nothing to do with each other: how two codings of the factors depend on each other is the same in
#' any data
#' @noRd
invented_frame <- function(fit) {
  if (length(fit$fixed$dropped) > 0L) {
    abort_no_rows("A test of type III with dropped columns", NULL)
  }
  terms <- stats::delete.response(fit$fixed$terms)
  classes <- attr(terms, "dataClasses")[variable_names(terms)]
  grid <- all_combinations(fit, classes)
  copies <- 10L + length(fit$fixed$names)
  n <- max(nrow(grid), 1L) * copies
  frame <- Map(invented_numbers, n, seq_along(classes), classes)
  names(frame) <- names(classes)
  frame[names(grid)] <- lapply(grid, rep, copies)
  structure(frame, class = "data.frame", row.names = seq_len(n))
}

# All combinations of levels of the factors, and of truth values; `classes` are those of variables.
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

# How many columns a variable has, by its class: "nmatrix.2" has two.
columns_of_class <- function(class) {
  columns <- as.integer(sub("^[a-z]*[.]?", "", class))
  if (is.na(columns)) 1L else columns
}

invented_numbers <- function(n, seed, class) {
  columns <- columns_of_class(class)
  column <- rep(seq_len(columns), each = n)
  steps <- seq_len(n) * sqrt(seed + 1) + column * pi
  values <- sin(steps^2)
  if (columns > 1L) matrix(values, n) else values
}

# Tables ------------------------------------------------------------------

#' The table of one fit: F tests of a linear model, Wald's chi-squared tests of a generalized one
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

#' A table with what it tests, for `lmerTest::show_tests()`, and its type, for package parameters
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

# By the class of our own, before that of R, documents of knitr know the table.
as_anova <- function(table, heading = NULL) {
  structure(
    table,
    heading = heading,
    class = c("rlmm_anova", "anova", "data.frame")
  )
}

read_type <- function(type) {
  roman <- c("I", "II", "III")
  if (length(type) == 1L && as.character(type) %in% c("1", "2", "3")) {
    return(roman[as.integer(type)])
  }
  one_of(type, roman, "type")
}
