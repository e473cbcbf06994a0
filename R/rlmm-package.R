#' @keywords internal
#' @importFrom methods as
"_PACKAGE"
