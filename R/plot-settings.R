# The settings that a user gives to a plot: lattice's, or the plot's own.

# Draws a plot with defaults that the user's settings replace.
draw_with <- function(draw, defaults, ...) {
  warn_of_settings(names(defaults), sys.function(sys.parent()), ...)
  do.call(draw, replace_named(defaults, list(...)))
}

# Warns about settings that lattice doesn't know and would pass to panels that ignore them, unless
# the user's own panel function takes them.
warn_of_settings <- function(defaults, method, ...) {
  given <- dots_names(...)
  unknown <- setdiff(given[nzchar(given)], c(defaults, lattice_settings))
  if (length(unknown) == 0L || any(panel_settings %in% given)) {
    return(invisible())
  }
  known <- c(known_arguments(method), lattice_settings)
  warn_unused(unknown, did_you_mean(unknown[1L], known))
}

panel_settings <- c("panel", "prepanel", "panel.groups")

# The settings of lattice's plots, and the graphical parameters that their panels pass on.
lattice_settings <- c(
  strsplit(
    paste(
      "data subset groups auto.key key legend colorkey aspect as.table between layout skip page",
      "main sub xlab ylab xlab.top ylab.right xlab.default ylab.default xlim ylim scales",
      "xscale.components yscale.components axis strip strip.left par.strip.text par.settings",
      "subscripts index.cond perm.cond plot.args lattice.options default.scales drop.unused.levels",
      "default.prepanel allow.multiple outer horizontal box.ratio box.width pscales varnames",
      "superpanel varname.cex varname.col varname.font axis.text.cex axis.text.col axis.line.col",
      "nint breaks endpoints equal.widths distribution f.value tails.n qtype width bw adjust",
      "kernel window from to cut n weights na.rm varwidth notch do.out coef stats",
      "type grid abline jitter.x jitter.y jitter.data factor amount span degree family evaluation",
      "col col.line col.symbol lty lwd pch cex fill alpha font fontface fontfamily border ref",
      "plot.points lines.cex origin lineheight xbase ybase identifier ends"
    ),
    " "
  )[[1L]]
)

# A list of arguments with those replaced that the user gave.
replace_named <- function(defaults, given) {
  defaults[names(given)[nzchar(names(given))]] <- NULL
  c(defaults, given)
}
