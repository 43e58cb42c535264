# GET the item, or POST FILE, with net/http: ruby_http.rb URL [FILE]
require "net/http"

url = URI(ARGV[0])
http = Net::HTTP.new(url.host, url.port)
# By itself net/http tries a failed GET a second time.
http.max_retries = 0
request = Net::HTTP::Get.new(url)
if ARGV[1]
  request = Net::HTTP::Post.new(url, "Content-Type" => "text/plain")
  request.content_length = File.size(ARGV[1])
  request.body_stream = File.open(ARGV[1], "rb")
end
print http.request(request).body
