#' @keywords internal
#' @importFrom methods as
#' @importFrom rlang %||%
"_PACKAGE"
