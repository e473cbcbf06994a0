/* The C side of the binding: hands R's routine registration to extendr (which also keeps the linker from dropping the
   static library), and offers what extendr's own declarations of R's interface lack. */
#define R_NO_REMAP
#include <Rinternals.h>
#include <R_ext/Print.h>
#include <R_ext/Rdynload.h>
#include <R_ext/Utils.h>

void register_extendr_panic_hook(void);
void R_init_rlmm_extendr(DllInfo *dll);

static void check_interrupt(void *unused) {
  (void) unused;
  R_CheckUserInterrupt();
}

static void print_line(void *line) {
  Rprintf("%s\n", (const char *) line);
}

/* A request to stop that was met while something was printed. */
static int is_pending = 0;

/* Prints a line. R looks for a request to stop after every hundred prints, and would leave by a long jump. */
void rlmm_print_line(const char *line) {
  if (R_ToplevelExec(print_line, (void *) line) == FALSE) {
    is_pending = 1;
  }
}

/* 1 if the user has asked to stop, else 0. R_CheckUserInterrupt() leaves by a long jump, which must not cross Rust's
   frames: R_ToplevelExec() stops it here. The request is consumed; who sees 1 must end the work and tell R. */
int rlmm_check_interrupt(void) {
  int is_interrupted = is_pending || R_ToplevelExec(check_interrupt, NULL) == FALSE;
  is_pending = 0;
  return is_interrupted;
}

void R_init_rlmm(DllInfo *dll) {
  register_extendr_panic_hook();
  R_init_rlmm_extendr(dll);
}
