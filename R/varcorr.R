#' Variances and correlations of the random effects
#'
#' The estimated covariance matrix of each random-effects term, `sigma^2 Lambda Lambda'`, with
#' standard deviations and correlations as attributes, in the form of lme4. In print, terms with the
#' same grouping factor form one block, in which a dot marks a correlation that the model holds at
#' zero.
#'
#' A correlation with an effect whose variance is estimated as zero is undefined and shown as `NaN`.
#'
#' @param x A fitted model; for the methods of the result, the result of `VarCorr()`.
#' @param sigma The residual standard deviation that multiplies the relative covariance factors; by
#'   default that of the fit. (It doesn't apply to a generalized model whose random effects aren't
#'   relative to it, see [rglmm()].)
#' @param std.error Whether to compute standard errors (see [variance_vcov()]). They are printed
#'   next to each variance and standard deviation, and are the columns `std.error.vcov` and
#'   `std.error.sdcor` of the data frame: 0 for held parameters, and `NA` for singular terms and for
#'   correlations that the structure fixes at zero.
#' @param ... Not used.
#' @return A list of class `"VarCorr.merMod"` with the covariance matrix of each term, which has the
#'   attributes `stddev` and `correlation`, and with the attributes `sc` (the residual standard
#'   deviation) and `useSc`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' VarCorr(fit)
#' print(VarCorr(fit), comp = "Std.Dev.", digits = 3)
#' as.data.frame(VarCorr(fit))
#' as.data.frame(VarCorr(fit, std.error = TRUE))
#' @importFrom nlme VarCorr
#' @export
VarCorr.rlmm <- function(
  x,
  sigma = stats::sigma(x),
  ...,
  std.error = FALSE
) {
  refuse_dots(...)
  check_nonnegative(sigma, "sigma")
  check_flag(std.error, "std.error")
  if (std.error && sigma != stats::sigma(x)) {
    abort_errors_at_sigma()
  }
  components <- Map(
    covariance_component,
    x$random,
    lambda_templates(x),
    core_covariances(x$random, x$theta),
    sigma = effects_sigma(x, sigma)
  )
  structure(
    stats::setNames(components, component_names(x)),
    groups = term_groups(x),
    structures = vapply(x$random, \(term) term$structure, ""),
    sc = sigma,
    useSc = has_scale(x),
    held = variance_notes(x),
    std.error = if (std.error) component_errors(x),
    class = c("VarCorr.rlmm", "VarCorr.merMod")
  )
}

abort_errors_at_sigma <- function() {
  abort_argument(
    "`sigma` can't be changed where standard errors are asked for.",
    i = "They are those of the estimates.",
    arg = "sigma"
  )
}

# The notes about variances that were given instead of estimated.
variance_notes <- function(fit) {
  if (!is.null(fit$control$fixed)) {
    c(held_note(fit, c("theta", "cov")), known_sigma_note(fit))
  }
}

covariance_component <- function(term, template, found, sigma) {
  covariance <- sigma^2 * tcrossprod(template)
  stddev <- sigma * sqrt(rowSums(template^2))
  correlation <- if (has_rho(term$structure)) {
    # Correlations that are parameters are defined even if effects have no variance, but are
    # meaningless for fewer than two effects with variance.
    found$correlation * if (sum(stddev > 0) < 2) NaN else 1
  } else {
    covariance / outer(stddev, stddev)
  }
  dimnames(correlation) <- dimnames(covariance)
  # An undefined correlation is 0/0, except for the diagonal, which is 1.
  diag(correlation) <- 1
  structure(covariance, stddev = stddev, correlation = correlation)
}

#' @rdname VarCorr.rlmm
#' @param comp The columns to show: `"Variance"`, `"Std.Dev."`, or both.
#' @param corr Whether to show the correlations.
#' @param digits The number of significant digits.
#' @param formatter A function that formats a column of numbers, called with the numbers and
#'   `digits`.
#' @export
format.VarCorr.rlmm <- function(
  x,
  digits = max(3L, getOption("digits") - 2L),
  ...,
  comp = c("Variance", "Std.Dev."),
  corr = TRUE,
  formatter = format_column
) {
  warn_of_dots(...)
  check_digits(digits)
  comp <- check_components(comp)
  blocks <- component_blocks(x)
  values <- component_values(x, blocks, comp)
  shown <- do.call(cbind, lapply(values, formatter, digits = digits))
  out <- cbind(component_labels(x, blocks), shown)
  if (corr) {
    digits <- max(2L, digits - 2L)
    cbind(out, correlation_columns(blocks, nrow(out), digits))
  } else {
    out
  }
}

component_labels <- function(x, blocks) {
  names <- unlist(lapply(blocks, `[[`, "names"))
  rows <- cbind(Groups = block_labels(blocks), Name = names)
  if (attr(x, "useSc")) rbind(rows, c("Residual", "")) else rows
}

# The columns of numbers: variances, standard deviations, and standard errors if there are any.
component_values <- function(x, blocks, comp) {
  stddev <- unlist(lapply(blocks, `[[`, "stddev"), use.names = FALSE)
  if (attr(x, "useSc")) {
    stddev <- c(stddev, attr(x, "sc"))
  }
  values <- list(Variance = stddev^2, Std.Dev. = stddev)[comp]
  errors <- attr(x, "std.error")
  if (is.null(errors)) {
    values
  } else {
    with_error_columns(values, blocks, if (attr(x, "useSc")) errors$residual)
  }
}

# The columns of numbers, each followed by that of its standard errors.
with_error_columns <- function(values, blocks, residual) {
  of_effects <- do.call(rbind, lapply(blocks, `[[`, "errors"))
  errors <- list(
    Variance = c(of_effects[, "vcov"], residual["vcov"]),
    Std.Dev. = c(of_effects[, "sdcor"], residual["sdcor"])
  )[names(values)]
  c(rbind(values, errors)) |>
    stats::setNames(c(rbind(names(values), "Std.Error")))
}

#' @rdname VarCorr.rlmm
#' @export
print.VarCorr.rlmm <- function(
  x,
  digits = max(3L, getOption("digits") - 2L),
  ...,
  comp = c("Variance", "Std.Dev."),
  corr = TRUE,
  formatter = format_column
) {
  table <- format(
    x,
    digits = digits,
    comp = comp,
    corr = corr,
    formatter = formatter,
    ...
  )
  writeLines(c(
    paste0(" ", trimws(format_table(table), "right")),
    attr(x, "held")
  ))
  invisible(x)
}

#' @rdname VarCorr.rlmm
#' @param row.names,optional Ignored, as in lme4.
#' @param order The order of rows: `"cov.last"`, the variances of each term before its covariances;
#'   or `"lower.tri"`, the order of the lower triangle.
#' @export
as.data.frame.VarCorr.rlmm <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  ...,
  order = c("cov.last", "lower.tri")
) {
  warn_of_dots(..., also = c(data_frame_arguments, "std.error"))
  order <- one_of(order, c("cov.last", "lower.tri"), "order")
  errors <- attr(x, "std.error")
  if ("std.error" %in% ...names() && is.null(errors)) {
    abort_no_errors()
  }
  rows <- Map(
    component_rows,
    names(x),
    x,
    order,
    errors$terms %||% list(NULL)
  )
  if (attr(x, "useSc")) {
    residual <- residual_row(attr(x, "sc"), errors$residual)
    rows <- c(rows, list(residual))
  }
  bind <- \(name) unlist(lapply(rows, `[[`, name), use.names = FALSE)
  as.data.frame(lapply(rlang::set_names(names(rows[[1L]])), bind))
}

residual_row <- function(sigma, errors) {
  row <- list(
    grp = "Residual",
    var1 = NA_character_,
    var2 = NA_character_,
    vcov = sigma^2,
    sdcor = sigma
  )
  c(row, std.error = as.list(errors))
}

abort_no_errors <- function() {
  abort_argument(
    "These variances have no standard errors.",
    i = "Use `as.data.frame(VarCorr(fit, std.error = TRUE))`.",
    arg = "std.error"
  )
}

component_rows <- function(group, component, order, errors) {
  cells <- table_cells(ncol(component), order)
  labels <- colnames(component)
  second <- labels[cells[, 1]]
  second[cells[, 1] == cells[, 2]] <- NA
  sdcor <- attr(component, "correlation")
  diag(sdcor) <- attr(component, "stddev")
  out <- list(
    grp = rep(group, nrow(cells)),
    var1 = labels[cells[, 2]],
    var2 = second,
    vcov = component[cells],
    sdcor = sdcor[cells]
  )
  c(out, std.error = lapply(errors, `[`, cells))
}

# The cells of the lower triangle, column by column, or with the diagonal first.
table_cells <- function(k, order) {
  is_shown <- lower.tri(diag(k), diag = TRUE)
  cells <- which(is_shown, arr.ind = TRUE, useNames = FALSE)
  if (order == "cov.last") {
    is_covariance <- cells[, 1] != cells[, 2]
    cells <- cells[order(is_covariance), , drop = FALSE]
  }
  cells
}

# Formatting --------------------------------------------------------------

#' Formats a column with common decimals, unless the numbers differ so much that `format()` would
#' use exponents
#' @noRd
format_column <- function(x, digits) {
  together <- format(x, digits = digits)
  if (any(grepl("e", together, fixed = TRUE))) {
    vapply(x, format, "", digits = digits)
  } else {
    together
  }
}

check_components <- function(comp) {
  allowed <- c("Variance", "Std.Dev.")
  is_text <- is.character(comp)
  wanted <- if (is_text) allowed[pmatch(comp, allowed, duplicates.ok = TRUE)]
  if (length(wanted) > 0 && !anyNA(wanted)) {
    return(wanted)
  }
  abort_argument(
    '`comp` must be "Variance", "Std.Dev.", or both.',
    x = it_is(comp),
    arg = "comp"
  )
}

#' Combines terms with the same grouping factor to one block of the table
#'
#' The correlations between terms are zero by construction. A term whose effects share one
#' correlation has its own block; with a common standard deviation it is a single line.
#' @noRd
component_blocks <- function(x) {
  shares_rho <- \(structure) !is.null(structures[[structure]]$tag)
  alone <- vapply(attr(x, "structures"), shares_rho, NA)
  number <- ifelse(alone, seq_along(alone), "")
  key <- paste(attr(x, "groups"), number)
  lapply(unique(key), \(one) {
    parts <- which(key == one)
    if (alone[parts[1L]]) shared_block(x, parts) else joined_block(x, parts)
  })
}

joined_block <- function(x, parts) {
  stddev <- unlist(lapply(x[parts], attr, "stddev"), use.names = FALSE)
  structures <- attr(x, "structures")[parts]
  list(
    group = attr(x, "groups")[parts[1L]],
    names = unlist(lapply(x[parts], colnames), use.names = FALSE),
    stddev = stddev,
    errors = diagonal_errors(x, parts),
    correlation = join_correlations(x[parts], structures, length(stddev))
  )
}

# The standard errors of the variances and of the standard deviations, with a row for each effect.
diagonal_errors <- function(x, parts) {
  errors <- lapply(attr(x, "std.error")$terms[parts], \(error) {
    vapply(error, diag, diag(error[[1L]]))
  })
  do.call(rbind, errors)
}

shared_block <- function(x, part) {
  component <- x[[part]]
  structure <- attr(x, "structures")[part]
  shown <- seq_len(ncol(component))
  if (is_homogeneous(structure)) {
    shown <- 1L
  }
  list(
    group = attr(x, "groups")[part],
    names = colnames(component)[shown],
    stddev = unname(attr(component, "stddev")[shown]),
    errors = diagonal_errors(x, part)[shown, , drop = FALSE],
    rho = attr(component, "correlation")[2L, 1L],
    tag = structures[[structure]]$tag
  )
}

#' The correlations of the effects of one grouping factor; `NA` where the model has none
#' @noRd
join_correlations <- function(components, structures, k) {
  joined <- matrix(NA_real_, k, k)
  at <- 0L
  for (i in seq_along(components)) {
    here <- at + seq_len(ncol(components[[i]]))
    if (!is_diagonal(structures[i])) {
      joined[here, here] <- attr(components[[i]], "correlation")
    }
    at <- max(here)
  }
  joined
}

block_labels <- function(blocks) {
  unlist(lapply(blocks, \(block) {
    c(block$group, rep("", length(block$names) - 1L))
  }))
}

#' The formatted lower triangles of the correlations, below one another; `NA` (but not `NaN`)
#' becomes a dot
#' @noRd
correlation_columns <- function(blocks, n_rows, digits) {
  triangles <- lapply(blocks, block_correlations, digits = digits)
  width <- max(vapply(triangles, ncol, 1L))
  if (width == 0L) {
    return(matrix("", n_rows, 0L))
  }
  padded <- lapply(triangles, \(triangle) {
    cbind(triangle, matrix("", nrow(triangle), width - ncol(triangle)))
  })
  out <- do.call(rbind, padded)
  rest <- matrix("", n_rows - nrow(out), width)
  out <- rbind(unname(out), rest)
  colnames(out) <- c("Corr", rep("", width - 1L))
  out
}

# The correlations with a row for each effect; a common correlation is in the first row.
block_correlations <- function(block, digits) {
  k <- length(block$names)
  if (is.null(block$correlation)) {
    shared <- format_correlation(block$rho, digits)
    shared <- sprintf("%s (%s)", shared, block$tag)
    return(matrix(c(shared, rep("", k - 1L)), k, 1L))
  }
  out <- matrix("", k, k - 1L)
  cells <- which(lower.tri(block$correlation), arr.ind = TRUE)
  out[cells] <- format_correlation(block$correlation[cells], digits)
  out
}

format_correlation <- function(value, digits) {
  text <- formatC(
    value,
    digits = digits,
    format = "f",
    flag = " "
  )
  text[is.na(value)] <- " ."
  text[is.nan(value)] <- " NaN"
  text
}

#' Aligns the columns of a character matrix under their names, text to the left and numbers to the
#' right
#' @noRd
format_table <- function(table) {
  header <- colnames(table)
  left <- header %in% c("Groups", "Name", "Corr", "")
  padded <- Map(
    \(column, name, left) {
      formatC(
        c(name, column),
        width = max(nchar(c(name, column), "width")),
        flag = if (left) "-" else ""
      )
    },
    asplit(table, 2),
    header,
    left
  )
  do.call(paste, unname(padded))
}
