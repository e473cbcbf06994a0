# The work of tools/demo.sh: fits mixed models to the package's data sets, prints them, draws two
# pictures of the sleep study, and says how to go on. Usage: Rscript tools/demo.R [PNG-FILE]

library(rlmm)

models <- list(
  "Reaction times in a sleep deprivation study" = quote(rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy
  )),
  "Yield of dyestuff, by batch" = quote(rlmm(
    Yield ~ 1 + (1 | Batch),
    Dyestuff
  )),
  "The same, simulated with no variance between batches" = quote(rlmm(
    Yield ~ 1 + (1 | Batch),
    Dyestuff2
  )),
  "Penicillin: plates crossed with samples" = quote(rlmm(
    diameter ~ 1 + (1 | plate) + (1 | sample),
    Penicillin
  )),
  "Strength of a paste: casks nested in batches" = quote(rlmm(
    strength ~ 1 + (1 | batch / cask),
    Pastes
  )),
  "Incidence of pleuropneumonia in cattle: binomial, by quadrature" = quote(rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial,
    nAGQ = 9
  )),
  "Ticks on grouse chicks: Poisson, with an effect for each chick" = quote(rglmm(
    TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION),
    grouseticks,
    family = poisson
  )),
  "The same: negative binomial, its theta estimated" = quote(rglmm_nb(
    TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION),
    grouseticks
  )),
  "Use of contraception in Bangladesh: binary" = quote(rglmm(
    use ~ age + I(age^2) + urban + livch + (1 | district),
    Contraception,
    family = binomial
  )),
  "Verbal aggression: persons crossed with items, binary" = quote(rglmm(
    r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item),
    VerbAgg,
    family = binomial
  )),
  "Ratings of lectures: 73,421 by 2,972 students of 1,128 lecturers" = quote(rlmm(
    y ~ service + (1 | s) + (1 | d) + (1 | dept),
    InstEval
  ))
)

fit_and_print <- function(title, model) {
  cat(
    "\n",
    strrep("=", 80),
    "\n",
    title,
    "\n\n> ",
    paste(deparse(model, width.cutoff = 70), collapse = "\n+ "),
    "\n\n",
    sep = ""
  )
  seconds <- system.time(fit <- eval(model))[["elapsed"]]
  print(summary(fit))
  cat(sprintf("\nFitted in %.3f s.\n", seconds))
  fit
}

# Each subject's own least-squares line, and where the mixed model moves it.
plot_shrinkage <- function(fit) {
  own <- t(sapply(split(sleepstudy, sleepstudy$Subject), function(d) {
    coef(lm(Reaction ~ Days, d))
  }))
  mixed <- as.matrix(coef(fit)$Subject)
  plot(
    own,
    pch = 1,
    xlab = "Intercept (ms)",
    ylab = "Slope (ms per day)",
    main = "Shrinkage towards the mean"
  )
  arrows(
    own[, 1],
    own[, 2],
    mixed[, 1],
    mixed[, 2],
    length = 0.06,
    col = "grey60"
  )
  points(mixed, pch = 19, col = "#2166ac")
  points(t(fixef(fit)), pch = 3, cex = 2, lwd = 2, col = "#b2182b")
  legend(
    "bottomleft",
    bty = "n",
    pch = c(1, 19, 3),
    col = c("black", "#2166ac", "#b2182b"),
    legend = c("each subject alone", "mixed model", "fixed effects")
  )
}

# The conditional modes of the slopes, sorted, with 95% prediction intervals.
plot_modes <- function(fit) {
  modes <- ranef(fit, condVar = TRUE)$Subject
  sd <- sqrt(attr(modes, "postVar")[2, 2, ])
  order <- order(modes$Days)
  at <- seq_along(order)
  slopes <- modes$Days[order]
  reach <- 1.96 * sd[order]
  plot(
    slopes,
    at,
    pch = 19,
    col = "#2166ac",
    xlim = range(slopes - reach, slopes + reach),
    yaxt = "n",
    xlab = "Slope: difference from the mean (ms per day)",
    ylab = "",
    main = "Conditional modes, 95% intervals"
  )
  segments(slopes - reach, at, slopes + reach, at, col = "#2166ac")
  abline(v = 0, lty = 2, col = "grey60")
  axis(2, at, rownames(modes)[order], las = 1, cex.axis = 0.8)
}

draw <- function(fit, file) {
  png(file, width = 1600, height = 800, res = 150)
  on.exit(dev.off())
  par(mfrow = c(1, 2), mar = c(4, 4, 3, 1))
  plot_shrinkage(fit)
  plot_modes(fit)
}

fits <- Map(fit_and_print, names(models), models)
file <- c(commandArgs(trailingOnly = TRUE), "demo.png")[[1L]]
draw(fits[[1L]], file)
cat("\nPictures of the first model: ", normalizePath(file), "\n", sep = "")

# tools/demo.sh installs into a library of its own, which another session has to be told of.
library_folder <- dirname(system.file(package = "rlmm"))
cat(
  "\nTo go on in R:\n\n",
  "  library(rlmm, lib.loc = ",
  encodeString(library_folder, quote = '"'),
  ")\n",
  "  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)\n",
  "  confint(fit); predict(fit, data.frame(Days = 10, Subject = \"308\"))\n\n",
  "`R CMD INSTALL .` installs it for good: then `library(rlmm)` is enough.\n",
  sep = ""
)
