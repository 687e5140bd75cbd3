"""The messages of TensorFlow Serving and the tensors in them, without TensorFlow.

from vaiven.serving.wire import messages, tensors

request = messages.PredictRequest()
request.model_spec.name = 'reviews'
request.inputs['text'].CopyFrom(tensors.to_proto(['a fine film']))
"""
