# Grouping by an expression: the same expression must give the same levels on other data.

#' An expression for a grouping, fit for other data
#'
#' What an atom takes from the data as a whole, or from the environment, is put in as a value: the breaks of
#' `cut(x, 4)` and the mean in `x > mean(x)` are those of the fit.
#' @noRd
group_expression <- function(atoms, data, env) {
  frozen <- lapply(atoms, function(atom) {
    if (is.symbol(atom)) return(atom)
    n <- NROW(eval(atom, data, env))
    freeze(atom, n, data, env)
  })
  Reduce(function(a, b) call(":", a, b), frozen)
}

# Arguments that don't have one value per row are constants of the fit.
freeze <- function(expr, n, data, env) {
  if (call_name(expr) %in% c("$", "@", "::", ":::", "~", "function")) return(expr)
  for (i in seq_along(expr)[-1L]) {
    argument <- expr[[i]]
    if (!is.language(argument)) next
    value <- tryCatch(eval(argument, data, env), error = function(cnd) NULL)
    if (is.atomic(value) && !is.null(value) && length(value) != n) {
      expr[[i]] <- value
    } else if (is.call(argument)) {
      expr[[i]] <- freeze(argument, n, data, env)
    }
  }
  if (call_name(expr) == "cut") freeze_cut(expr, data, env) else expr
}

# `cut()` places a given number of breaks by the range of its x.
freeze_cut <- function(expr, data, env) {
  matched <- match.call(cut.default, expr)
  breaks <- matched$breaks
  if (!is.numeric(breaks) || length(breaks) != 1L) return(expr)
  x <- eval(matched$x, data, env)
  if (!is.numeric(x) || is.object(x)) return(expr)
  matched$breaks <- equal_breaks(range(x, na.rm = TRUE), as.integer(breaks))
  matched
}

# As documented in ?cut: equal widths, the outer limits moved out by 0.1% of the range.
equal_breaks <- function(range, n) {
  width <- diff(range)
  if (width == 0) {
    width <- abs(range[1L])
    return(seq(range[1L] - width / 1000, range[2L] + width / 1000, length.out = n + 1L))
  }
  breaks <- seq(range[1L], range[2L], length.out = n + 1L)
  breaks[c(1L, n + 1L)] <- c(range[1L] - width / 1000, range[2L] + width / 1000)
  breaks
}
