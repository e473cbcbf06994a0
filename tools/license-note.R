# Writes LICENSE.note: who wrote the Rust crates that are compiled into rlmm, and under which
# licences. In the package's folder: `Rscript tools/license-note.R [--check]`. With --check nothing
# is written; the script fails if the file is out of date.

introduction <- c(
  "rlmm's own code is under the MIT licence (see LICENSE).",
  "",
  "The release contains, and the installed library is compiled from, the Rust crates listed",
  "below, in the folder src/rust/vendor of the archive src/rust/vendor.tar.xz. Their authors",
  "hold the copyright in them. Each crate's own licence file is in its folder there. Where",
  "several licences are offered, joined by OR or a slash, rlmm takes the MIT licence.",
  "",
  "The crate nlopt contains the C library NLopt, of which rlmm compiles these parts:",
  "",
  "  NLopt itself, AUGLAG, CCSA/MMA, CRS2, DIRECT (cdirect), ISRES, MLSL, Nelder-Mead, SBPLX:",
  "      Copyright 2007-2024 Massachusetts Institute of Technology; Steven G. Johnson. MIT",
  "      licence.",
  "  BOBYQA, NEWUOA: Copyright 2004, 2009 M. J. D. Powell; 2007-2011 Massachusetts Institute of",
  "      Technology. MIT licence.",
  "  COBYLA: Copyright 1992 M. J. D. Powell; 2004 Jean-Sebastien Roy; 2008 Steven G. Johnson.",
  "      MIT licence.",
  "  DIRECT (original): Copyright Joerg M. Gablonsky, 2001. MIT licence.",
  "  ESCH: Copyright 2008-2013 Carlos Henrique da Silva Santos. MIT licence.",
  "  PRAXIS: Richard Brent; C translation by Karl Gegenfurtner, changed by Steven G. Johnson.",
  "      Public domain.",
  "  SLSQP: Copyright 1988 Dieter Kraft; 1994 Association for Computing Machinery; 2001, 2002",
  "      Enthought, Inc.; 2003-2009 SciPy Developers; 2010 Massachusetts Institute of",
  "      Technology. 3-clause BSD licence.",
  "  LBFGS, VAR1, VAR2, TNEWTON (folder luksan): Copyright 2007 Ladislav Luksan; C translation",
  "      and changes by Steven G. Johnson. GNU Lesser General Public License, version 2.1 or",
  "      later.",
  "",
  "Because of the last entry the compiled NLopt library as a whole is under the LGPL, version",
  "2.1 or later. The release carries its complete source, so that it can be changed and linked",
  "again by reinstalling the package.",
  "",
  "The crate faer contains code translated from Eigen (Mozilla Public License 2.0), LAPACK",
  "(modified BSD licence), and SuiteSparse's AMD and COLAMD (3-clause BSD licence); its folder",
  "has their licences (COPYING.*).",
  "",
  "Crates:",
  ""
)

# The packages of Cargo.lock that are compiled for a supported system (tools/vendor-trim.R says
# which).
bundled_crates <- function() {
  metadata <- jsonlite::fromJSON(
    system2(
      "cargo",
      c(
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--manifest-path",
        "src/rust/Cargo.toml"
      ),
      stdout = TRUE
    ),
    simplifyVector = FALSE
  )
  trim <- new.env()
  sys.source("tools/vendor-trim.R", envir = trim)
  needed <- trim$needed_crates("cargo", "src/rust/Cargo.toml")
  crates <- Filter(function(crate) !is.null(crate$source), metadata$packages)
  Filter(function(crate) paste(crate$name, crate$version) %in% needed, crates)
}

# The registry no longer asks for authors; a crate without them names its project.
format_crate <- function(crate) {
  authors <- gsub(" *<[^>]*>", "", unlist(crate$authors))
  who <- if (length(authors)) {
    paste(authors, collapse = ", ")
  } else {
    paste("The authors of", crate$repository)
  }
  c(
    paste0("  ", crate$name, " ", crate$version, ": ", crate$license),
    strwrap(who, width = 110, prefix = "      ")
  )
}

note <- enc2utf8(c(
  introduction,
  unlist(lapply(bundled_crates(), format_crate))
))
if ("--check" %in% commandArgs(trailingOnly = TRUE)) {
  if (!identical(note, readLines("LICENSE.note", encoding = "UTF-8"))) {
    stop("LICENSE.note is out of date: run tools/license-note.R.")
  }
} else {
  writeLines(note, "LICENSE.note", useBytes = TRUE)
}
