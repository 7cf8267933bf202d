#include "model/layers.h"

namespace fathom {

void mlp(Pass& pass, const MlpWeights& w, Mat<const float> x, Mat<float> y) {
  auto& scratch = pass.mlp;
  const Activations in = scratch.in.prepare(pass.kernels(), pass.numerics(), x);
  const Mat<float> gate = scratch.gate.get(x.rows, w.gate.rows);
  const Mat<float> up = scratch.up.get(x.rows, w.up.rows);
  pass.linear(in, w.gate, gate);
  pass.linear(in, w.up, up);
  for (int64_t r = 0; r < x.rows; ++r) {
    pass.kernels().swiglu(gate.row_span(r), up.row_span(r), gate.row(r));
  }
  pass.linear(scratch.middle_in.prepare(pass.kernels(), pass.numerics(), gate), w.down, y);
}

}  // namespace fathom
