# Covariance structures: what R knows of each of them. The numbers are the core's.

#' Covariance structures
#'
#' By default the effects of a random-effects term `(effects | group)` have any covariance matrix. A
#' function around the term restricts it.
#'
#' \tabular{lll}{
#'   **term** \tab **covariance** \tab **parameters for k effects** \cr
#'   `(effects | g)`, `us(effects | g)` \tab any \tab k (k + 1) / 2 \cr
#'   `diag(effects | g)`, `zerocorr(effects | g)` \tab no correlations \tab k \cr
#'   `diag(effects | g, hom = TRUE)` \tab no correlations, one variance \tab 1 \cr
#'   `cs(effects | g)` \tab all correlations are equal (compound symmetry) \tab k + 1 \cr
#'   `cs(effects | g, hom = TRUE)` \tab the same with one variance \tab 2 \cr
#'   `ar1(0 + f | g)` \tab `rho^|i - j|` for levels i and j of `f`, one variance \tab 2 \cr
#'   `ar1(0 + f | g, hom = FALSE)` \tab the same with a variance for each level \tab k + 1
#' }
#'
#' glmmTMB's names `homdiag()`, `homcs()` and `hetar1()` are understood.
#'
#' With `||` in place of `|` the effects are uncorrelated, also in `us()` and `diag()`; in `cs()`
#' and `ar1()` it is an error. A model may have several such terms, also on the same grouping
#' factor. `cs()` and `ar1()` need two columns at least, `ar1()` the indicators of one factor (`0 +
#' f`), whose levels are taken to be equally spaced in their order: those that have observations, as
#' in lme4 and glmmTMB. Levels that are numbers of another order or spacing are pointed out by a
#' message.
#'
#' @section Parameters: `getME(fit, "theta")` holds what lme4 calls `par`: for `us()` and `diag()`
#' the elements of the relative covariance factor Lambda, for `cs()` and `ar1()` the standard
#' deviations divided by the residual one and then the correlation, named `"group.rho"`; their one
#' standard deviation of `hom = TRUE` is named `"group.*"`.
#'
#' The correlation lies between -1 (in `cs()`: -1 / (k - 1)) and 1, ends included; there the fit is
#' singular. The optimizer sees an angle, `rho = m + h sin(angle)` with the middle `m` and the
#' half-width `h` of that range, so that an estimate at an end is found as well as any other.
#' `getME(fit, "Lind")` is `NA` for elements of Lambda that aren't parameters.
#'
#' @examples
#' sleepstudy$day <- factor(sleepstudy$Days)
#' fit <- rlmm(Reaction ~ Days + ar1(0 + day | Subject), sleepstudy)
#' VarCorr(fit)
#' getME(fit, "theta")
#' rlmm(Reaction ~ Days + cs(1 + Days | Subject), sleepstudy)
#' @name covariance_structures
NULL

#' How each structure is written, and whether its last parameter is a correlation
#'
#' `call`: the function around a bar; `hom`: its argument, `NULL` where it has none; `tag`: what
#' stands beside the correlation in print.
#' @noRd
structures <- list(
  us = list(call = "us", correlated = FALSE),
  diag = list(call = "diag", hom = FALSE, correlated = FALSE),
  homdiag = list(call = "diag", hom = TRUE, correlated = FALSE),
  cs = list(call = "cs", hom = FALSE, correlated = TRUE, tag = "cs"),
  homcs = list(call = "cs", hom = TRUE, correlated = TRUE, tag = "cs"),
  hetar1 = list(call = "ar1", hom = FALSE, correlated = TRUE, tag = "ar1"),
  ar1 = list(call = "ar1", hom = TRUE, correlated = TRUE, tag = "ar1")
)

# The structure that each function around a bar stands for, unless `hom` is given.
structure_calls <- c(
  us = "us",
  zerocorr = "diag",
  diag = "diag",
  homdiag = "homdiag",
  cs = "cs",
  homcs = "homcs",
  ar1 = "ar1",
  hetar1 = "hetar1"
)
unsupported_calls <- c(
  "ou",
  "gau",
  "mat",
  "toep",
  "homtoep",
  "rr",
  "propto",
  "equalto"
)
# Functions that may stand around a bar.
bar_calls <- c(names(structure_calls), unsupported_calls)

has_rho <- function(structure) structures[[structure]]$correlated

is_unstructured <- function(structure) structure == "us"

is_homogeneous <- function(structure) isTRUE(structures[[structure]]$hom)

is_diagonal <- function(structure) structures[[structure]]$call == "diag"

n_theta <- function(structure, size) {
  if (is_unstructured(structure)) {
    return(size * (size + 1L) / 2L)
  }
  (if (is_homogeneous(structure)) 1L else size) + has_rho(structure)
}

#' The structure that a function around a bar stands for
#' @noRd
read_structure <- function(expr) {
  name <- structure_name(expr)
  if (!name %in% names(structure_calls)) {
    abort_structure(name)
  }
  arguments <- as.list(expr)[-(1:2)]
  if (length(arguments) == 0L) {
    return(structure_calls[[name]])
  }
  hom <- read_hom(arguments)
  is_this <- \(s) identical(s$call, name) && identical(s$hom, hom)
  found <- names(Filter(is_this, structures))
  if (length(found) == 0L) {
    abort_structure_arguments(expr)
  }
  found
}

# `TRUE` or `FALSE`, or `NA` if the arguments are others.
read_hom <- function(arguments) {
  name <- names(arguments) %||% "hom"
  if (length(arguments) != 1L || !name %in% c("", "hom")) {
    return(NA)
  }
  hom <- arguments[[1L]]
  if (identical(hom, quote(T))) {
    hom <- TRUE
  }
  if (identical(hom, quote(F))) {
    hom <- FALSE
  }
  if (is.logical(hom)) hom else NA
}

#' The term as the user would write it
#' @noRd
structured_call <- function(structure, term) {
  if (is_unstructured(structure)) {
    return(call("(", term))
  }
  written <- structures[[structure]]
  default <- structure_calls[[written$call]] == structure
  if (default) {
    call(written$call, term)
  } else {
    call(written$call, term, hom = written$hom)
  }
}

#' A term of a fit as the user would write it, as text
#' @noRd
term_text <- function(term) {
  if (is_unstructured(term$structure)) {
    return(paste0("(", term$label, ")"))
  }
  written <- structures[[term$structure]]
  is_default <- structure_calls[[written$call]] == term$structure
  paste0(
    written$call,
    "(",
    term$label,
    if (!is_default) paste0(", hom = ", written$hom),
    ")"
  )
}

term_texts <- function(fit) vapply(fit$random, term_text, "")

# Parameters ----------------------------------------------------------------

#' Names of a term's parameters
#' @noRd
theta_labels <- function(structure, columns) {
  k <- length(columns)
  if (k == 1L && is_unstructured(structure)) {
    return(columns)
  }
  if (is_unstructured(structure)) {
    rows <- columns[sequence(k:1, seq_len(k))]
    names <- paste(rows, columns[rep(seq_len(k), k:1)], sep = ".")
    names[us_diagonal(k)] <- columns
    return(names)
  }
  if (!has_rho(structure)) {
    return(columns[seq_len(n_theta(structure, k))])
  }
  c(if (is_homogeneous(structure)) "*" else columns, "rho")
}

# Which of the parameters of an unstructured term of k columns stand on the diagonal.
us_diagonal <- function(k) cumsum(c(1L, k:1)[seq_len(k)])

#' Smallest and largest value of each parameter of a term
#' @noRd
theta_range <- function(term) {
  upper <- rep(Inf, length(term$theta))
  if (has_rho(term$structure)) {
    upper[length(upper)] <- 1
  }
  cbind(lower = lower_bounds(term), upper = upper)
}

#' Smallest value of each parameter of a term
#' @noRd
lower_bounds <- function(term) {
  if (is_unstructured(term$structure)) {
    return(us_lower(length(term$columns)))
  }
  lower <- numeric(length(term$theta))
  if (has_rho(term$structure)) {
    is_cs <- structures[[term$structure]]$call == "cs"
    lowest <- if (is_cs) -1 / (length(term$columns) - 1) else -1
    lower[length(lower)] <- lowest
  }
  lower
}

us_lower <- function(k) {
  lower <- rep(-Inf, k * (k + 1) / 2)
  lower[us_diagonal(k)] <- 0
  lower
}

# Whether each parameter of a term is in units of sigma.
is_scale <- function(term) {
  seq_along(term$theta) <= length(term$theta) - has_rho(term$structure)
}

#' The unit of each of a term's parameters: the size of the column of Z that it multiplies (of
#' several, the largest); a correlation has none
#' @noRd
parameter_units <- function(term) {
  size <- term$scale %||% rep(1, length(term$columns))
  if (is_homogeneous(term$structure)) {
    size <- max(size)
  }
  if (is_unstructured(term$structure)) {
    size <- size[template_cells("us", length(term$columns))[, "row"]]
  }
  replace(rep(1, length(term$theta)), is_scale(term), size)
}

# Lambda and Omega -----------------------------------------------------------

#' Rows and columns, within the template of a k-column term, of the elements that theta determines;
#' where it fills them, in theta's order.
#' @noRd
template_cells <- function(structure, k) {
  if (is_diagonal(structure)) {
    return(cbind(row = seq_len(k), col = seq_len(k)))
  }
  cells <- which(
    lower.tri(diag(k), diag = TRUE),
    arr.ind = TRUE,
    useNames = FALSE
  )
  colnames(cells) <- c("row", "col")
  cells
}

#' The elements of a term's covariance matrix that are parameters of their own, in theta's order
#' @noRd
covariance_cells <- function(term) {
  if (is_unstructured(term$structure)) {
    return(template_cells("us", length(term$columns)))
  }
  # The parameters are one or k standard deviations, then that of the correlations, which is the one
  # of neighbours.
  scales <- seq_len(sum(is_scale(term)))
  rbind(
    cbind(row = scales, col = scales),
    if (has_rho(term$structure)) c(2L, 1L)
  )
}

#' Lambda's block of one term: k x k, lower triangular
#' @noRd
lambda_block <- function(term, theta) {
  k <- length(term$columns)
  par <- theta[term$theta]
  if (has_rho(term$structure)) {
    return(correlated_lambda(term$structure, par, k))
  }
  if (is_diagonal(term$structure)) {
    return(diag(par, k, k))
  }
  block <- matrix(0, k, k)
  block[lower.tri(block, diag = TRUE)] <- par
  # `root` takes independent effects back to the user's: see `independent_effects()`.
  if (is.null(term$root)) block else term$root %*% block
}

#' Theta of a term with this structure, whether or not the covariance has it
#' @noRd
structured_theta <- function(term, covariance) {
  if (is_unstructured(term$structure)) {
    # The root by rows exists for a singular matrix too.
    parts <- eigen(covariance, symmetric = TRUE)
    root <- t(qr.R(qr(t(parts$vectors) * sqrt(pmax(parts$values, 0)))))
    root <- root %*% diag(ifelse(diag(root) < 0, -1, 1), nrow(root))
    return(root[lower.tri(root, diag = TRUE)])
  }
  sd <- sqrt(diag(covariance))
  shown <- if (is_homogeneous(term$structure)) sd[1L] else sd
  if (!has_rho(term$structure)) {
    return(shown)
  }
  range <- theta_range(term)[length(term$theta), ]
  c(
    shown,
    min(
      max(correlation_of(term$structure, covariance), range[["lower"]]),
      range[["upper"]]
    )
  )
}

# The correlation parameter of a covariance matrix: by the neighbours, or else the nearest effects
# that have variances. At an even distance its sign isn't known.
correlation_of <- function(structure, covariance) {
  sd <- sqrt(diag(covariance))
  pairs <- which(lower.tri(covariance) & outer(sd, sd) > 0, arr.ind = TRUE)
  if (nrow(pairs) == 0L) {
    return(0)
  }
  distance <- pairs[, 1L] - pairs[, 2L]
  chosen <- order(distance %% 2L == 0L, distance)[1L]
  pair <- pairs[chosen, ]
  value <- covariance[pair[[1L]], pair[[2L]]] / prod(sd[pair])
  if (structures[[structure]]$call == "cs") {
    value
  } else {
    sign(value) * abs(value)^(1 / distance[[chosen]])
  }
}

#' Lambda of standard deviations `s` and a correlation: its rows are those of the correlation's
#' factor times `s`
#' @noRd
correlated_lambda <- function(structure, par, k) {
  rho <- par[length(par)]
  s <- rep_len(par[-length(par)], k)
  s *
    if (structures[[structure]]$call == "cs") {
      cs_factor(rho, k)
    } else {
      ar1_factor(rho, k)
    }
}

#' The correlation matrix of a term with a parameter for it
#' @noRd
structure_correlation <- function(term, theta) {
  k <- length(term$columns)
  rho <- theta[term$theta[length(term$theta)]]
  structure(
    rho^correlation_powers(term$structure, k),
    dimnames = list(term$columns, term$columns)
  )
}

# The powers to which the correlation parameter stands in the correlations.
correlation_powers <- function(structure, k) {
  distance <- abs(outer(seq_len(k), seq_len(k), `-`))
  if (structures[[structure]]$call == "cs") (distance > 0) + 0 else distance
}

#' Which parameters, of those of `covariance_cells()`, the elements of a term's covariance matrix
#' are made of
#' @return For each of `cells` the numbers of its two standard deviations and, off the diagonal, of
#'   its correlation (`NA` where the structure has none) and the power to which that stands.
#' @noRd
cell_parameters <- function(term, cells) {
  k <- length(term$columns)
  own <- covariance_cells(term)
  sd <- rep_len(which(own[, 1] == own[, 2]), k)
  off <- matrix(NA_integer_, k, k)
  power <- matrix(1, k, k)
  if (has_rho(term$structure)) {
    off[] <- nrow(own)
    power <- correlation_powers(term$structure, k)
  } else {
    off[own] <- seq_len(nrow(own))
  }
  diag(off) <- NA
  data.frame(
    row = sd[cells[, 1]],
    col = sd[cells[, 2]],
    cor = off[cells],
    power = power[cells]
  )
}

ar1_factor <- function(rho, k) {
  distance <- outer(seq_len(k), seq_len(k), `-`)
  factor <- ifelse(distance < 0, 0, rho^pmax(distance, 0))
  factor[, -1L] <- factor[, -1L] * sqrt(max(0, 1 - rho^2))
  factor
}

cs_factor <- function(rho, k) {
  factor <- diag(k)
  factor[-1L, 1L] <- rho
  for (j in seq_len(k)[-1L]) {
    before <- 1 + (j - 2) * rho
    here <- 1 + (j - 1) * rho
    factor[j, j] <- sqrt(max(0, (1 - rho) * here / before))
    if (j < k) {
      factor[(j + 1):k, j] <- rho * sqrt(max(0, (1 - rho) / (before * here)))
    }
  }
  factor
}

# Checks --------------------------------------------------------------------

#' Whether the structure makes sense for the columns of a term
#' @noRd
check_structure <- function(bar, effects, frame) {
  if (!has_rho(bar$structure)) {
    return(invisible())
  }
  written <- paste0(structures[[bar$structure]]$call, "()")
  if (length(effects$columns) < 2L) {
    abort_one_column(bar, written, effects$columns)
  }
  if (written == "ar1()") {
    check_series(bar, effects, frame)
  }
}

abort_one_column <- function(bar, written, column) {
  abort_unsuited(
    bar,
    sprintf("A term in %s must have at least two columns.", tick(written)),
    x = sprintf("Its only column is %s.", tick(column)),
    i = "For one column write `(effects | group)`."
  )
}

# The columns of a term in `ar1()` are those of a series.
check_series <- function(bar, effects, frame) {
  if (!is_one_factor(effects$terms, frame)) {
    abort_unsuited(
      bar,
      "The columns of a term in `ar1()` must be the levels of one factor, in their order.",
      x = sprintf("They are %s.", enumerate(tick(effects$columns))),
      i = "Write `ar1(0 + f | group)` with a factor `f`."
    )
  }
  check_order(bar, attr(effects$terms, "term.labels"), frame)
}

# Check the factor of a term in `ar1()`: autoregression goes by the order of the levels, and takes
# them for equally spaced.
check_order <- function(bar, name, frame) {
  variable <- frame[[name]]
  if (is.character(variable)) {
    abort_unsuited(
      bar,
      "The factor of a term in `ar1()` must have its levels in order.",
      x = paste0(tick(name), " is text."),
      i = "Make it a factor: `factor(x, levels = )`."
    )
  }
  found <- levels(droplevels(as.factor(variable)))
  if (!is_unequal(suppressWarnings(as.numeric(found)))) {
    return(invisible())
  }
  text <- "`ar1()` takes the levels of %s as equally spaced, in this order: %s."
  order <- enumerate(found, max = 10L)
  inform_rlmm(sprintf(text, tick(name), order), "rlmm_message_order")
}

# Whether these are numbers at unequal distances.
is_unequal <- function(numbers) {
  steps <- diff(numbers)
  length(steps) > 1L &&
    !anyNA(steps) &&
    max(steps) - min(steps) > 1e-6 * max(abs(steps))
}

is_one_factor <- function(terms, frame) {
  labels <- attr(terms, "term.labels")
  if (
    attr(terms, "intercept") != 0L ||
      length(labels) != 1L ||
      attr(terms, "order") != 1L
  ) {
    return(FALSE)
  }
  variable <- frame[[labels]]
  is.factor(variable) || is.character(variable) || is.logical(variable)
}

abort_unsuited <- function(bar, ...) {
  label <- tick(deparse_one(structured_call(
    bar$structure,
    call("|", bar$effects, as.name(bar$groups[[1L]]$name))
  )))
  bullets <- c(...)
  bullets[["x"]] <- sub("\\.$", paste0(" in ", label, "."), bullets[["x"]])
  abort_formula(bullets, class = "rlmm_error_structure")
}

abort_structure <- function(name) {
  abort_formula(
    paste0(
      "The covariance structure ",
      tick(paste0(name, "()")),
      " isn't supported."
    ),
    i = paste0(
      "These are: ",
      enumerate(tick(paste0(names(structure_calls), "()")), max = 10L),
      "."
    ),
    class = c("rlmm_error_unknown_structure", "rlmm_error_structure")
  )
}

abort_structure_arguments <- function(expr) {
  abort_formula(
    paste0("Can't understand ", tick(deparse_one(expr)), "."),
    i = paste(
      "The one argument beside the term is `hom = TRUE` or `FALSE`,",
      "in `diag()`, `cs()` and `ar1()`."
    ),
    class = "rlmm_error_structure"
  )
}

# For lme4 ----------------------------------------------------------------

#' Whether lme4 has terms of these structures: any covariance, or none at all
#' @noRd
has_lme4_counterpart <- function(structures) structures %in% c("us", "diag")

#' A formula without functions around bars: `diag()` and `zerocorr()` terms become `||` terms
#' @noRd
plain_bars <- function(expression) {
  if (!is.call(expression)) {
    return(expression)
  }
  name <- call_name(expression)
  bar <- if (length(expression) > 1L) strip_parens(expression[[2L]])
  is_bar <- is.call(bar) && call_name(bar) %in% c("|", "||")
  if (is_bar && isTRUE(name == "us")) {
    return(call("(", bar))
  }
  if (is_bar && isTRUE(name %in% c("diag", "zerocorr"))) {
    bar[[1L]] <- quote(`||`)
    return(call("(", bar))
  }
  if (isTRUE(name %in% c("|", "||"))) {
    return(expression)
  }
  expression[-1L] <- lapply(as.list(expression)[-1L], plain_bars)
  expression
}
