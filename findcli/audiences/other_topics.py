"""What people ask about in general, after the tiers of IAB Tech Lab's Content Taxonomy: what a workspace may not know.

A demand that is more like one of these than like anything it was read as is about another thing. The list is general:
it names no workspace, and a topic that one of a workspace's own names is like is not another topic there.

Tested in tests/audiences/test_answered.py.
"""

TOPICS = tuple(
    topic.strip()
    for topic in """
cars, car repair, buying a used car, motorcycles, trucks, driving lessons, electric vehicles, boats, bicycles,
scooters, tyres, books, poetry, comics, newspapers, magazines, careers, job search, changing jobs, remote
working, apprenticeships, business, advertising, marketing, construction, industrial machinery, logistics,
office supplies, startups, agriculture, school, university, language learning, adult education, private
tutoring, homework, student finance, kindergarten, wedding, engagement, divorce, dating, marriage, parenting,
adoption of children, pregnancy, eldercare, bereavement, funeral, drawing and painting, dance, theatre, opera,
ballet, museums and galleries, sculpture, fashion design, photography, gym membership, personal training,
yoga, physiotherapy, hospital, surgery, doctor, dentist, optician, eye surgery, mental health, therapy,
addiction, diabetes, cancer, heart disease, asthma, allergies, disability, vaccination, fertility, hobbies,
arts and crafts, knitting, model trains, collecting stamps, card games, board games, magic, antiques,
genealogy, playing a musical instrument, guitar lessons, piano, singing, concerts, music festivals, opera
tickets, radio, podcasts, home improvement, interior decorating, curtains, furniture, sofa, mattress, kitchen
appliances, washing machine, boiler, heating, solar panels, plumber, electrician, roofing, landscaping,
swimming pool, garden pond, home security, moving house, buying a house, renting a flat, mortgage, holiday
homes, property development, student housing, politics, elections, voting, political parties, law, lawyer,
lawsuit, crime, police, military, immigration, taxes, charity, banking, savings account, loan, credit card,
insurance, life insurance, pension, investing, shares, cryptocurrency, gambling, broadband, electricity
supplier, gas supplier, water supplier, mobile phone contract, smartphone, tablet, laptop, computer, software,
video games, game console, social media, online video, streaming subscription, television, cinema, film,
camera, smart home, robots, virtual reality, drones, programming, data storage, headphones, dogs, cats,
adopting a pet, veterinarian, horses, aquarium, reptiles, religion, church, astrology, spirituality, science,
astronomy, physics, weather, environment, climate change, geology, football, tennis, golf, cycling, running,
skiing, swimming, horse riding, boxing, cricket, rugby, fishing, hunting, sailing, climbing, gymnastics,
martial arts, sports tickets, football shirt, olympic games, clothing, coats, dresses, shoes, underwear,
jewellery, watches, handbags, hairdresser, tattoos, cosmetic surgery, air travel, flights, hotels, cruises,
package holidays, skiing holiday, camping, safari, train travel, season ticket, bus, taxi, car hire, passport,
visa, travel insurance, theme parks, city trips, business travel, beach holiday, restaurants, bars, nightclub,
cooking class, food delivery, catering
""".replace("\n", " ").split(",")
    if topic.strip()
)
