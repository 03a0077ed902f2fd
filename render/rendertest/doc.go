// Package rendertest proves that a renderer is faithful: that what its objects let pass is what the policies allow, but for the losses.
//
// The author of a renderer writes an [Interpreter], which reads the objects back and answers requests as the target would, and calls [Run]
// in a test. Run generates clusters and policies, renders them, and compares the target's answers with the model's:
//
//   - sound: nothing passes that the model denies;
//   - complete: what the model allows passes, but where each allow that holds it is a loss;
//   - in any order: policies and rules in another order give the same bytes, and so does a second rendering, or several at a time;
//   - accounted for: each allow is said, lost or without effect, and each loss says what is lost, where and why;
//   - named: objects have different names that fit wherever Kubernetes takes a name.
//
// An interpreter of one's own can share a misreading with the renderer. It should be written from the target's documentation, and where the
// target's code can be asked, it should ask that.
package rendertest
