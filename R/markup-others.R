# Document tables of nonlinear fits and of lmList().

#' @rdname markup
#' @export
markup.rlmm_nlmm <- function(
  x,
  type = c("markdown", "html", "latex"),
  digits = 4L,
  ...
) {
  warn_of_dots(...)
  writer <- markup_writer(type, digits)
  shown <- list(
    methTitle = nonlinear_title(x),
    formula = x$formula,
    nobs = nobs.rlmm_nlmm(x),
    ngrps = ngrps.rlmm_nlmm(x)
  )
  loglik <- logLik.rlmm_nlmm(x)
  criteria <- c(AIC = stats::AIC(loglik), logLik = as.double(loglik))
  sentences <- c(criterion_sentence(criteria), groups_sentence(shown))
  cells <- format(VarCorr.rlmm_nlmm(x), digits = digits)
  as_markup(c(
    model_paragraph(shown, writer),
    list(
      markup_table(coefficient_cells(nonlinear_table(x), digits), writer),
      markup_table(cells, writer)
    ),
    lapply(sentences, markup_paragraph, writer)
  ))
}

#' @rdname markup
#' @export
markup.summary.rlmm_nlmm <- function(x, ...) markup.rlmm_nlmm(x$fit, ...)

#' @rdname markup
#' @export
markup.rlmm_lmList <- function(
  x,
  type = c("markdown", "html", "latex"),
  digits = 4L,
  ...
) {
  warn_of_dots(...)
  writer <- markup_writer(type, digits)
  cells <- coefficient_cells(as.matrix(stats::coef(x)), digits)
  colnames(cells)[1L] <- "Groups"
  call <- paste0("Coefficients by group: `", deparse_one(attr(x, "call")), "`")
  as_markup(list(
    markup_paragraph(call, writer),
    markup_table(cells, writer)
  ))
}

#' @rdname markup
#' @export
toLatex.rlmm_nlmm <- function(object, ...) toLatex.rlmm(object, ...)

#' @rdname markup
#' @export
toLatex.rlmm_lmList <- function(object, ...) toLatex.rlmm(object, ...)

#' @rawNamespace S3method(knitr::knit_print, rlmm_nlmm)
#'   S3method(knitr::knit_print, rlmm_lmList)
#' @noRd
knit_print.rlmm_nlmm <- function(x, ...) knit_print.rlmm(x, ...)

knit_print.rlmm_lmList <- function(x, ...) knit_print.rlmm(x, ...)
